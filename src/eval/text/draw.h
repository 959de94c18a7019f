// Seeded choices that are the same on every machine: picking, shuffling, sampling, digits,
// identifiers. It is not <random>: the standard leaves its distributions and std::shuffle to each
// library.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/types.h"

namespace pith::eval {

using Words = std::span<const std::string_view>;

// A generator of its own for every (seed, label, index), so that a document never depends on how
// many others are asked for.
Rng stream(std::uint64_t seed, std::string_view label, Index index);

template <typename Range>
const auto& pick(Rng& rng, const Range& from) {
  return from[static_cast<std::size_t>(rng.below(static_cast<Index>(from.size())))];
}

template <typename T>
void shuffle(Rng& rng, std::vector<T>& items) {
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[static_cast<std::size_t>(rng.below(static_cast<Index>(i)))]);
}

// `k` different indices below `n`, in the order drawn.
std::vector<Index> sample(Rng& rng, Index n, Index k);
// `k` different words.
std::vector<std::string> sample_words(Rng& rng, Words words, Index k);

// An integer in [low, high].
Index between(Rng& rng, Index low, Index high);
std::string digits(Rng& rng, Index n);                     // may begin with 0
std::string number(Rng& rng, Index n);                     // n digits, never begins with 0
std::string letters(Rng& rng, Index n, char first = 'a');  // 'A' for capitals
std::string uuid(Rng& rng);                                // version 4

// The i-th point of van der Corput's sequence in base 2 (1/2, 1/4, 3/4, 1/8, ...): even for any
// count.
double even_depth(Index i);

}  // namespace pith::eval
