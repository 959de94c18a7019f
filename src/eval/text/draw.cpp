#include "eval/text/draw.h"

#include <numeric>

#include "base/error.h"

namespace pith::eval {

Rng stream(std::uint64_t seed, std::string_view label, Index index) {
  std::uint64_t hash = 0xcbf29ce484222325u ^ seed;  // FNV-1a over the label and the index
  const auto fold = [&](unsigned char byte) { hash = (hash ^ byte) * 0x100000001b3u; };
  for (const char c : label) fold(static_cast<unsigned char>(c));
  for (int shift = 0; shift < 64; shift += 8)
    fold(static_cast<unsigned char>((static_cast<std::uint64_t>(index) >> shift) & 0xff));
  return Rng(hash);
}

std::vector<Index> sample(Rng& rng, Index n, Index k) {
  PITH_CHECK(k <= n, "sample of " + std::to_string(k) + " from " + std::to_string(n));
  std::vector<Index> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), Index{0});
  for (Index i = 0; i < k; ++i)
    std::swap(all[static_cast<std::size_t>(i)],
              all[static_cast<std::size_t>(i + rng.below(n - i))]);
  all.resize(static_cast<std::size_t>(k));
  return all;
}

std::vector<std::string> sample_words(Rng& rng, Words words, Index k) {
  std::vector<std::string> drawn;
  for (const Index i : sample(rng, static_cast<Index>(words.size()), k))
    drawn.emplace_back(words[static_cast<std::size_t>(i)]);
  return drawn;
}

Index between(Rng& rng, Index low, Index high) { return low + rng.below(high - low + 1); }

std::string digits(Rng& rng, Index n) {
  std::string text;
  while (static_cast<Index>(text.size()) < n) text += static_cast<char>('0' + rng.below(10));
  return text;
}

std::string number(Rng& rng, Index n) {
  std::string text = digits(rng, n);
  text[0] = static_cast<char>('1' + rng.below(9));
  return text;
}

std::string letters(Rng& rng, Index n, char first) {
  std::string text;
  while (static_cast<Index>(text.size()) < n) text += static_cast<char>(first + rng.below(26));
  return text;
}

std::string uuid(Rng& rng) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (int i = 0; i < 36; ++i) {
    if (i == 8 || i == 13 || i == 18 || i == 23)
      text += '-';
    else if (i == 14)
      text += '4';
    else
      text += kHex[static_cast<std::size_t>(i == 19 ? 8 + rng.below(4) : rng.below(16))];
  }
  return text;
}

double even_depth(Index i) {
  double depth = 0, place = 0.5;
  for (Index rest = i + 1; rest > 0; rest >>= 1, place /= 2)
    if (rest & 1) depth += place;
  return depth;
}

}  // namespace pith::eval
