#include "eval/corpus.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "eval/load.h"

namespace pith::eval {
namespace {

using Loader = std::vector<Document> (*)(const std::filesystem::path&);
constexpr std::array<std::pair<std::string_view, Loader>, 3> kLoaders = {
    {{"folder:", load_folder}, {"ruler:", load_ruler}, {"longbench:", load_longbench}}};

// `docs`, `docs/` and `./docs` are one path.
std::string one_path(const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(text).lexically_normal();
  return (path.has_filename() || !path.has_relative_path() ? path : path.parent_path()).string();
}

// The family of a task, so that `needles` and `needle_single` mean the same documents.
const std::string& suite_of(const std::string& task) {
  for (const auto& info : suites())
    if (std::find(info.tasks.begin(), info.tasks.end(), task) != info.tasks.end()) return info.name;
  PITH_CHECK(false, task);
}

}  // namespace

Corpus::Corpus(const std::vector<std::string>& suites, const SuiteOptions& options,
               TokenCounter count)
    : options_(options), count_(std::move(count)) {
  for (const auto& suite : suites) {
    bool is_file = false;
    for (const auto& [prefix, load] : kLoaders) {
      if (!suite.starts_with(prefix)) continue;
      is_file = true;
      const std::string path = one_path(suite.substr(prefix.size()));
      const std::string name = std::string(prefix) + path;
      if (std::any_of(slots_.begin(), slots_.end(), [&](const auto& s) { return s.suite == name; }))
        continue;
      for (auto& document : load(path)) {
        slots_.push_back({.suite = name, .task = {}, .loaded = std::ssize(loaded_)});
        loaded_.push_back(std::move(document));
      }
    }
    if (is_file) continue;
    for (const auto& task : tasks_of(suite)) {
      if (std::any_of(slots_.begin(), slots_.end(), [&](const auto& s) { return s.task == task; }))
        continue;
      for (Index i = 0; i < options_.contexts; ++i)
        slots_.push_back({.suite = suite_of(task), .task = task, .index = i});
    }
  }
  if (slots_.empty()) fail(ErrorCode::bad_input, "no suite and so no document");
}

Document Corpus::document(Index i) const {
  const Slot& slot = slots_[static_cast<std::size_t>(i)];
  if (slot.loaded >= 0) return loaded_[static_cast<std::size_t>(slot.loaded)];
  return generate_one(slot.task, slot.index, options_, count_);
}

}  // namespace pith::eval
