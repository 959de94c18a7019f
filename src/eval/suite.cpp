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
      &needles_family(), &kv_family(),    &strings_family(),  &instructions_family(),
      &physics_family(), &ruler_family(), &infinite_family(), &transcript_family()};
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

void check(const SuiteOptions& options) {
  if (options.tokens < 1 || options.contexts < 1)
    fail(ErrorCode::bad_input, fmt::format("{} tokens and {} contexts: both must be at least 1",
                                           options.tokens, options.contexts));
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

std::vector<std::string> tasks_of(std::string_view suite) {
  std::vector<std::string> tasks;
  for (const Family* family : families())
    for (const std::string& task : family->info.tasks)
      if (suite == family->info.name || suite == task) tasks.push_back(task);
  if (tasks.empty()) fail_unknown(suite);
  return tasks;
}

Document generate_one(std::string_view task, Index index, const SuiteOptions& options,
                      const TokenCounter& count) {
  check(options);
  for (const Family* family : families())
    for (const std::string& name : family->info.tasks)
      if (task == name) return family->make({name, index, options, count});
  fail_unknown(task);
}

std::vector<Document> generate(std::string_view suite, const SuiteOptions& options,
                               const TokenCounter& count) {
  check(options);
  std::vector<Document> documents;
  for (const auto& task : tasks_of(suite))
    for (Index i = 0; i < options.contexts; ++i)
      documents.push_back(generate_one(task, i, options, count));
  return documents;
}

}  // namespace pith::eval
