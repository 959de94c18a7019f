// Cuts text into the words within which byte-level BPE merges, by the regular expression of a
// pre-tokenizer. It changes no byte.
#pragma once

#include <memory>
#include <string_view>

#include "text/pre_tokenizers.h"

namespace pith {

class WordSplitter {
 public:
  explicit WordSplitter(const PreTokenizer& pre);
  WordSplitter(WordSplitter&&) noexcept;
  WordSplitter& operator=(WordSplitter&&) noexcept;
  ~WordSplitter();

  // One user of the expression at a time: its match data and the JIT's stack. Create one per thread
  // or per call.
  class Cursor {
   public:
    explicit Cursor(const WordSplitter& splitter);
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;
    // The end of the word that begins at `begin` in `text`, which must be valid UTF-8.
    std::size_t next(std::string_view text, std::size_t begin);

   private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
  };

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pith
