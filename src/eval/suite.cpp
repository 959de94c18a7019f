#include "eval/suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/suggest.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all = {
      &needles_family(), &kv_family(),    &strings_family(),  &instructions_family(),
      &physics_family(), &ruler_family(), &infinite_family(), &transcript_family()};
  return all;
}

[[noreturn]] void fail_unknown(std::string_view name) {
  std::vector<std::pair<std::size_t, std::string>> known;
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

void check_range(std::string_view suite, const SuiteOptions& options, Index range) {
  const bool has_length =
      suite.starts_with("transcript_agent") || suite.find(':') != std::string_view::npos;
  if (!has_length && options.tokens > range)
    fail(ErrorCode::bad_input,
         fmt::format("--tokens {}: documents of as many tokens leave the model's range of {}; ask "
                     "for fewer, so that the chat template and the questions fit too",
                     options.tokens, range));
}

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
