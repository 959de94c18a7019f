#include "eval/suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all = {
      &needles_family(), &kv_family(),    &strings_family(), &instructions_family(),
      &physics_family(), &ruler_family(), &infinite_family()};
  return all;
}

Index edit_distance(std::string_view a, std::string_view b) {
  std::vector<Index> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<Index>(j);
  for (std::size_t i = 0; i < a.size(); ++i) {
    Index diagonal = row[0];
    row[0] = static_cast<Index>(i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Index change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

[[noreturn]] void fail_unknown(std::string_view name) {
  std::vector<std::pair<Index, std::string>> known;
  const auto shown = name.substr(0, 64);
  const auto add = [&](const std::string& candidate) {
    known.emplace_back(edit_distance(shown, candidate), candidate);
  };
  std::vector<std::string> names;
  for (const Family* family : families()) {
    names.push_back(family->info.name);
    add(family->info.name);
    for (const auto& task : family->info.tasks)
      if (task != family->info.name) add(task);
  }
  std::sort(known.begin(), known.end());
  fail(ErrorCode::not_found,
       fmt::format("no suite or task \"{}\"; nearest: {}, {}, {}. Suites: {}", shown,
                   known[0].second, known[1].second, known[2].second, fmt::join(names, ", ")));
}

}  // namespace

const std::vector<SuiteInfo>& suites() {
  static const std::vector<SuiteInfo> all = [] {
    std::vector<SuiteInfo> infos;
    for (const Family* family : families()) infos.push_back(family->info);
    return infos;
  }();
  return all;
}

std::vector<Document> generate(std::string_view suite, const SuiteOptions& options,
                               const TokenCounter& count) {
  if (options.tokens < 1 || options.contexts < 1)
    fail(ErrorCode::bad_input, fmt::format("{} tokens and {} contexts: both must be at least 1",
                                           options.tokens, options.contexts));
  std::vector<Document> documents;
  bool known = false;
  for (const Family* family : families()) {
    for (const std::string& task : family->info.tasks) {
      if (suite != family->info.name && suite != task) continue;
      known = true;
      for (Index i = 0; i < options.contexts; ++i)
        documents.push_back(family->make({task, i, options, count}));
    }
  }
  if (!known) fail_unknown(suite);
  return documents;
}

}  // namespace pith::eval
