// The documents of a run in their order, made when they are asked for. It knows no model and no
// recipe.
#pragma once

#include <string>
#include <vector>

#include "eval/suite.h"

namespace pith::eval {

class Corpus {
 public:
  // Names of suites or tasks, or `folder:DIR`, `ruler:FILE`, `longbench:FILE` (load.h): those are
  // taken whole, whatever the options. Throws not_found, io or bad_input.
  Corpus(const std::vector<std::string>& suites, const SuiteOptions& options, TokenCounter count);

  Index size() const { return std::ssize(slots_); }
  const std::string& suite(Index i) const { return slots_[static_cast<std::size_t>(i)].suite; }
  Document document(Index i) const;

 private:
  struct Slot {
    std::string suite;  // the task's family, or the file, its path in normal form
    std::string task;
    Index index = 0;    // among the documents of its task
    Index loaded = -1;  // index into loaded_, -1 for generated ones
  };
  std::vector<Slot> slots_;
  std::vector<Document> loaded_;
  SuiteOptions options_;
  TokenCounter count_;
};

}  // namespace pith::eval
