#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/files.h"
#include "eval/json_lines.h"
#include "eval/load.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

struct Kind {
  std::string_view prefix;               // of the task's name
  std::array<std::string_view, 2> asks;  // how its question begins
  std::string_view answer;               // how its answer begins, where the input holds it
  Index max_tokens;
};
constexpr Kind kKinds[] = {
    {"niah",
     {"What is the special magic", "What are all the special magic"},
     " The special magic",
     128},
    {"vt", {"Question: Find all variables", ""}, " Answer: According", 30},
    {"cwe", {"Question: What are the 10 most common words", ""}, " Answer: The top", 120},
    {"fwe", {"Question: Do not provide any explanation", ""}, " Answer: According", 50},
    {"qa", {"Answer the question based on the given documents", ""}, " Answer:", 32},
};

const Kind* kind_of(std::string_view task) {
  for (const Kind& kind : kKinds)
    if (task.substr(0, kind.prefix.size()) == kind.prefix) return &kind;
  return nullptr;
}

bool is_task(std::string_view name) {
  const auto& tasks = ruler_family().info.tasks;
  return std::find(tasks.begin(), tasks.end(), name) != tasks.end();
}

Document document_of(const JsonLine& line, const Kind& kind, std::string_view task, Index index) {
  line.only({"index", "input", "outputs", "length", "length_w_model_temp", "answer_prefix",
             "token_position_answer", "others", "truncation", "context", "question", "task"});
  std::string input = line.text("input");
  std::size_t asks = std::string::npos;
  for (const auto begin : kind.asks) {
    const std::size_t found = begin.empty() ? std::string::npos : input.rfind(begin);
    if (found != std::string::npos && (asks == std::string::npos || found > asks)) asks = found;
  }
  if (asks == std::string::npos || asks == 0)
    line.fail(fmt::format("\"input\" holds no question of {} after a text (\"{}…\")", task,
                          kind.asks[0]));
  Document document;
  document.id = fmt::format("{}-{:04}", task, index);
  document.text = input.substr(0, asks);
  Item item;
  item.id = fmt::format("{}/q00", document.id);
  item.task = task;
  item.question = input.substr(asks);
  item.answer_prefix = line.text("answer_prefix", "");
  if (item.answer_prefix.empty()) {
    const std::size_t answer = item.question.rfind(kind.answer);
    if (answer != std::string::npos) {
      item.answer_prefix = item.question.substr(answer);
      item.question.resize(answer);
    }
  }
  // The answer begins a turn of its own.
  item.answer_prefix.erase(0, item.answer_prefix.find_first_not_of(' '));
  for (auto& answer : line.texts("outputs")) {
    if (answer.empty()) line.fail("\"outputs\" holds an empty string");
    auto spans = find_words(document.text, answer);
    item.references.push_back({std::move(answer), std::move(spans)});
  }
  if (item.references.empty()) line.fail("\"outputs\" is empty");
  item.metric = kind.prefix == "qa" ? Metric::contains_any : Metric::contains_all;
  item.cut = Cut::whole;
  item.max_tokens = kind.max_tokens;
  item.tags.emplace("ruler_like", "0");
  document.items.push_back(std::move(item));
  return document;
}

}  // namespace

std::vector<Document> parse_ruler(std::string_view text, std::string_view name,
                                  std::string_view task) {
  const Kind* kind = kind_of(task);
  if (kind == nullptr)
    fail(
        ErrorCode::bad_input,
        fmt::format("{}: no task of RULER is named \"{}\"; expected a folder or file named niah_…, "
                    "vt, cwe, fwe or qa_…",
                    name, task));
  std::vector<Document> documents;
  for_each_line(text, name, [&](const JsonLine& line) {
    documents.push_back(document_of(line, *kind, task, static_cast<Index>(documents.size())));
  });
  if (documents.empty()) fail(ErrorCode::bad_input, fmt::format("{} holds no samples", name));
  return documents;
}

std::vector<Document> load_ruler(const std::filesystem::path& file) {
  std::string task = std::filesystem::absolute(file).parent_path().filename().string();
  if (!is_task(task)) task = file.stem().string();
  return parse_ruler(read_file(file), file.string(), task);
}

}  // namespace pith::eval
