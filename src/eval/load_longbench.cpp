#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "eval/json_lines.h"
#include "eval/load.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

struct Task {
  std::string_view name;
  Metric metric;
  Index max_tokens;
  bool first_line = false;
  std::string_view ask = "";  // pith's own question around {input}
};
constexpr std::string_view kPassage =
    "Answer with a few words only, from the text above.\n\nQuestion: {input}";
constexpr std::string_view kZhPassage = "请根据上文简短回答。\n\n问题：{input}";
constexpr std::string_view kSummary = "Summarise the text above on one page.";
constexpr std::string_view kCode = "{input}\nWrite the next line of the code above.";

constexpr Task kTasks[] = {
    {"narrativeqa", Metric::token_f1, 128, false, kPassage},
    {"qasper", Metric::token_f1, 128, false, kPassage},
    {"multifieldqa_en", Metric::token_f1, 64, false, kPassage},
    {"multifieldqa_zh", Metric::token_f1, 64, false, kZhPassage},
    {"hotpotqa", Metric::token_f1, 32, false, kPassage},
    {"2wikimqa", Metric::token_f1, 32, false, kPassage},
    {"musique", Metric::token_f1, 32, false, kPassage},
    {"dureader", Metric::rouge_l, 128, false, kZhPassage},
    {"gov_report", Metric::rouge_l, 512, false, kSummary},
    {"qmsum", Metric::rouge_l, 512, false,
     "Answer from the transcript above in one or more sentences.\n\n{input}"},
    {"multi_news", Metric::rouge_l, 512, false, kSummary},
    {"vcsum", Metric::rouge_l, 512, false, "请总结上面的会议记录。"},
    {"trec", Metric::classification, 64, true,
     "Name the type of this question as in the examples above.\n{input}"},
    {"triviaqa", Metric::token_f1, 32, true,
     "Answer as in the examples above, with the answer only.\n\n{input}"},
    {"samsum", Metric::rouge_l, 128, true,
     "Summarise this dialogue as in the examples above.\n\n{input}"},
    {"lsht", Metric::classification, 64, true, "请像上面的例子一样判断新闻的类别。\n{input}"},
    {"passage_count", Metric::number_share, 32, false,
     "Some of the paragraphs above come twice. How many different ones are there? Answer with the "
     "number only."},
    {"passage_retrieval_en", Metric::number_share, 32, false,
     "Which of the paragraphs above does this summary belong to? Answer like \"Paragraph "
     "3\".\n\n{input}"},
    {"passage_retrieval_zh", Metric::number_share, 32, false,
     "下面的摘要出自上文哪一段？请回答如\"段落3\"。\n\n{input}"},
    {"lcc", Metric::edit_similarity, 64, false, kCode},
    {"repobench-p", Metric::edit_similarity, 64, false, kCode},
};

const Task* task_named(std::string_view dataset) {
  if (dataset.size() > 2 && dataset.substr(dataset.size() - 2) == "_e")
    dataset.remove_suffix(2);  // LongBench-E has the same tasks
  for (const Task& task : kTasks)
    if (task.name == dataset) return &task;
  return nullptr;
}

bool chinese(std::string_view name) {
  return name == "multifieldqa_zh" || name == "dureader" || name == "vcsum" || name == "lsht" ||
         name == "passage_retrieval_zh";
}

// A prompt cut at {context}: what stands before it and the question after it, with {input} filled
// in.
struct Prompt {
  std::string before, after;
  bool published = false;
};

std::string filled(std::string form, std::string_view input) {
  const std::size_t at = form.find("{input}");
  return at == std::string::npos ? form : form.replace(at, 7, input);
}

Prompt prompt_for(const Task& task, const nlohmann::json& prompts, const std::string& input,
                  const JsonLine& line) {
  const auto found = prompts.find(std::string(task.name));
  if (found == prompts.end()) return {"", filled(std::string(task.ask), input)};
  if (!found->is_string()) line.fail(fmt::format("the prompt of {} is no string", task.name));
  const auto form = found->get<std::string>();
  const std::size_t at = form.find("{context}");
  if (at == std::string::npos)
    line.fail(fmt::format("the prompt of {} does not hold {{context}}", task.name));
  const std::string after = filled(form.substr(at + 9), input);
  return {form.substr(0, at), after, true};
}

// "Paragraph 12" and "段落12" are judged by their number.
std::string number_in(const std::string& answer, const JsonLine& line) {
  const std::size_t begin = answer.find_first_of("0123456789");
  if (begin == std::string::npos)
    line.fail(fmt::format("\"answers\" holds \"{}\"; expected a number in it", answer));
  return answer.substr(begin, answer.find_first_not_of("0123456789", begin) - begin);
}

Document document_of(const JsonLine& line, const nlohmann::json& prompts, Index index) {
  line.only({"input", "context", "answers", "length", "dataset", "language", "all_classes", "_id"});
  const std::string dataset = line.text("dataset");
  const Task* task = task_named(dataset);
  if (task == nullptr)
    line.fail(fmt::format("\"dataset\" is \"{}\", which is no task of LongBench", dataset));
  const Prompt prompt = prompt_for(*task, prompts, line.text("input"), line);
  Document document;
  document.id = fmt::format("{}-{:04}", dataset, index);
  document.text = prompt.before + line.text("context");
  if (line.text("context").empty()) line.fail("\"context\" is empty");
  Item item;
  item.id = fmt::format("{}/q00", document.id);
  item.task = dataset;
  item.question = prompt.after;
  item.metric = task->metric;
  item.cut = task->first_line ? Cut::first_line : Cut::whole;
  item.max_tokens = task->max_tokens;
  item.tags["prompt"] = prompt.published ? "published" : "own";
  if (chinese(task->name)) item.tags["words"] = "characters";
  for (auto& answer : line.texts("answers")) {
    if (answer.empty()) continue;  // some published lines hold an empty one among others
    auto spans = find_words(document.text, answer);
    std::string text = task->metric == Metric::number_share ? number_in(answer, line) : answer;
    if (text != answer) spans.clear();
    item.references.push_back({std::move(text), std::move(spans)});
  }
  if (item.references.empty()) line.fail("\"answers\" is empty");
  if (task->metric == Metric::classification)
    for (auto& name : line.texts("all_classes"))
      if (name != item.references[0].text) item.distractors.push_back(std::move(name));
  document.items.push_back(std::move(item));
  return document;
}

}  // namespace

std::vector<Document> parse_longbench(std::string_view text, std::string_view name,
                                      std::string_view prompts) {
  nlohmann::json forms = nlohmann::json::object();
  if (!prompts.empty()) {
    forms = nlohmann::json::parse(prompts, nullptr, false);
    if (!forms.is_object())
      fail(ErrorCode::bad_input,
           fmt::format("dataset2prompt.json beside {} is no JSON object", name));
  }
  std::vector<Document> documents;
  for_each_line(text, name, [&](const JsonLine& line) {
    documents.push_back(document_of(line, forms, static_cast<Index>(documents.size())));
  });
  if (documents.empty()) fail(ErrorCode::bad_input, fmt::format("{} holds no samples", name));
  return documents;
}

std::vector<Document> load_longbench(const std::filesystem::path& file) {
  const auto folder = std::filesystem::absolute(file).parent_path();
  std::string prompts;
  for (const auto& place :
       {folder / "dataset2prompt.json", folder / "config" / "dataset2prompt.json"})
    if (prompts.empty() && std::filesystem::exists(place)) prompts = read_file(place);
  return parse_longbench(read_file(file), file.string(), prompts);
}

}  // namespace pith::eval
