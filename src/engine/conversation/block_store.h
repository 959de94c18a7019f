// Blocks of conversations on disk, one file each, named by what they follow from: model, recipe,
// the blocks before and the turn's tokens. The same history finds the same block. It knows how
// blocks are kept, not how they are made (turn_block.h).
//
// A file is a saved context (cache/snapshot.h) that holds the turn's entries alone. It appears
// under its name when it is whole; what a killed process left half-written is removed by the next
// one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/context.h"

namespace pith {

// 32 hexadecimal digits (XXH3, 128 bits).
using BlockKey = std::string;

// The key of what follows `before` when something happens to it: the parts that tell what.
class KeyMaker {
 public:
  explicit KeyMaker(const BlockKey& before) { add(before); }
  KeyMaker& add(std::string_view text);
  KeyMaker& add(std::span<const Token> tokens);
  // Entries: what they stand for and, with `numbers`, their keys and values.
  KeyMaker& add(const cache::Cache& cache, bool numbers);
  BlockKey key() const;

 private:
  std::string bytes_;
};

class BlockStore {
 public:
  // Makes the folder if it is not there. Throws io, bad_input where a file has its name.
  explicit BlockStore(std::filesystem::path folder);

  struct Found {
    cache::Cache entries;
    std::string recipe;  // that was carried out
  };
  // Nothing if there is no such file. Throws bad_file for one that is damaged or does not hold what
  // its name says: the entries of context.tokens() from `first` on, of this model.
  std::optional<Found> find(const BlockKey& key, const Context& before,
                            std::span<const Token> turn) const;
  // Throws io (a full disk); nothing is left of the file then.
  void put(const BlockKey& key, const Context& before, std::span<const Token> turn,
           const cache::Cache& entries, const std::string& recipe) const;

  std::filesystem::path path(const BlockKey& key) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace pith
