#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/files.h"
#include "eval/json_lines.h"
#include "eval/judge.h"
#include "eval/load.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

constexpr Index kMaxAnswer = 1 << 16;

// The document's file, which must lie in the folder itself.
std::filesystem::path document_file(const std::filesystem::path& folder, const std::string& name,
                                    const JsonLine& line) {
  const std::filesystem::path relative(name);
  if (name.empty() || relative.filename() != relative)
    line.fail(
        fmt::format("\"document\" is \"{}\"; expected the name of a file in the folder", name));
  const auto extension = relative.extension();
  if (extension != ".txt" && extension != ".md")
    line.fail(fmt::format("\"document\" is \"{}\"; expected a .txt or .md file", name));
  const auto path = folder / relative;
  if (!std::filesystem::is_regular_file(path))
    line.fail(fmt::format("\"document\" is \"{}\", which is not in {}", name, folder.string()));
  return path;
}

Item question(const JsonLine& line, const Document& document) {
  Item item;
  item.id = fmt::format("{}/q{:02}", document.id, document.items.size());
  item.task = "yours";
  item.question = line.text("question");
  item.answer_prefix = line.text("answer_prefix", "");
  item.max_tokens = line.integer("max_tokens", 64, 1, kMaxAnswer);
  item.rule = line.text("rule", "");
  const std::string metric = line.text("metric", item.rule.empty() ? "token_f1" : "follows");
  const auto known = metric_named(metric);
  if (!known)
    line.fail(
        fmt::format("\"metric\" is \"{}\"; expected contains_all, keywords, contains_any, code, "
                    "first_integer, last_integer, word, prefix, token_f1, rouge_l, "
                    "edit_similarity, classification, number_share, abstain or follows",
                    metric));
  item.metric = *known;
  if (item.metric == Metric::follows) item.cut = Cut::whole;  // all that is said keeps the rule
  if ((item.metric == Metric::follows) == item.rule.empty())
    line.fail("\"rule\" and the metric follows belong together");
  const bool wants_answers = item.metric != Metric::abstain && item.metric != Metric::follows;
  if (wants_answers || line.has("answers"))
    for (auto& answer : line.texts("answers")) {
      if (answer.empty()) line.fail("\"answers\" holds an empty string");
      auto spans = find_words(document.text, answer);
      item.references.push_back({std::move(answer), std::move(spans)});
    }
  if (wants_answers && item.references.empty()) line.fail("\"answers\" is empty");
  if (line.has("forbidden")) item.forbidden = line.texts("forbidden");
  if (std::count(item.forbidden.begin(), item.forbidden.end(), "") != 0)
    line.fail("\"forbidden\" holds an empty string");
  try {
    judge(item, "");  // refuses rules that do not exist
  } catch (const Error& error) {
    line.fail(error.what());
  }
  return item;
}

}  // namespace

std::vector<Document> load_folder(const std::filesystem::path& folder) {
  const auto file = folder / "questions.jsonl";
  const std::string lines = read_file(file);
  std::map<std::string, Document> documents;  // by name
  for_each_line(lines, file.string(), [&](const JsonLine& line) {
    line.only({"document", "question", "answers", "forbidden", "metric", "answer_prefix",
               "max_tokens", "rule", "system"});
    const std::string name = line.text("document");
    const auto path = document_file(folder, name, line);
    const auto [found, is_new] = documents.try_emplace(name);
    Document& document = found->second;
    const std::string system = line.text("system", "");
    if (is_new) {
      document.id = name;
      document.system = system;
      document.text = read_file(path);
      if (document.text.empty()) line.fail(fmt::format("the document {} is empty", name));
    } else if (system != document.system) {
      line.fail(fmt::format("\"system\" differs from that of the earlier questions of {}", name));
    }
    document.items.push_back(question(line, document));
  });
  if (documents.empty())
    fail(ErrorCode::bad_input,
         fmt::format("{} holds no questions; expected one a line", file.string()));
  std::vector<Document> loaded;
  for (auto& [name, document] : documents) loaded.push_back(std::move(document));
  return loaded;
}

}  // namespace pith::eval
