#include "cli/run_report.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "cli/options.h"

namespace pith::cli {
namespace {

// Lower-case ASCII, one blank for any run of blanks.
std::string folded(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte)) {
      if (!result.empty() && result.back() != ' ') result += ' ';
    } else {
      result += static_cast<char>(std::tolower(byte));
    }
  }
  while (result.ends_with(' ')) result.pop_back();
  return result;
}

// Whether both are digits, or both letters: one word or number goes on from a to b.
bool one_run(char a, char b) {
  const auto x = static_cast<unsigned char>(a), y = static_cast<unsigned char>(b);
  return (std::isdigit(x) && std::isdigit(y)) || (std::isalpha(x) && std::isalpha(y));
}

// Whether `part`, which is not empty, stands in `text` and neither begins nor ends within a word or
// number: 5 is not in 15, but in 5kg. Letters beyond ASCII bound nothing, as quotes do not, and
// languages without blanks go on.
bool stands_in(std::string_view text, std::string_view part) {
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    const auto end = at + part.size();
    const bool begins = at == 0 || !one_run(text[at - 1], part.front());
    if (begins && (end == text.size() || !one_run(part.back(), text[end]))) return true;
  }
  return false;
}

// Less of a sample than this says nothing of what a smaller cache loses.
constexpr double kLeastKnown = 0.25;

// JSON has no infinity.
Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double per_second(Index steps, double seconds) {
  return seconds > 0 ? static_cast<double>(steps) / seconds : 0;
}

double quotient(Index a, Index b) {
  return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0;
}

}  // namespace

bool is_right(std::string_view answer, std::string_view expected) {
  constexpr std::string_view kOr = " | ";
  const std::string given = folded(answer);
  for (;;) {
    const auto end = expected.find(kOr);
    const std::string wanted = folded(expected.substr(0, end));
    if (!wanted.empty() && stands_in(given, wanted)) return true;
    if (end == std::string_view::npos) return false;
    expected.remove_prefix(end + kOr.size());
  }
}

void IndentedText::push(std::string_view text) {
  for (const char c : text) {
    if (!begun_ && std::isspace(static_cast<unsigned char>(c))) continue;
    begun_ = true;
    put(std::string_view(&c, 1));
    if (c == '\n') put(std::string(static_cast<std::size_t>(indent_), ' '));
  }
  flush();
}

RunReport::RunReport(const Answering& answering, std::string model,
                     std::vector<std::string> questions, std::vector<std::string> expected,
                     bool json)
    : answering_(answering),
      model_(std::move(model)),
      questions_(std::move(questions)),
      expected_(std::move(expected)),
      json_(json),
      totals_(answering.arms().size()) {}

std::string RunReport::label(const Arm& arm) const {
  return arm.name +
         (arm.keeps_full      ? " (sees the question, keeps the full cache)"
          : arm.sees_question ? " (sees the question)"
                              : "") +
         (arm.oracle ? " (oracle)" : "");
}

Index RunReport::label_width() const {
  Index widest = 0;
  for (const Arm& arm : answering_.arms()) widest = std::max(widest, width(label(arm)));
  return widest;
}

std::string RunReport::expected(Index question) const {
  return expected_.empty() ? "" : expected_[static_cast<std::size_t>(question)];
}

void RunReport::document(std::string_view name) const {
  if (json_) return;
  const Engine& engine = answering_.engine();
  print("{}: {} tokens, read in {} s{} by {} ({}, {}, {})\n", name,
        human_count(answering_.context_tokens()), human_seconds(answering_.read_seconds()),
        answering_.replay_seconds() > 0
            ? fmt::format(" and replayed in {} s", human_seconds(answering_.replay_seconds()))
            : "",
        model_, numerics_name(engine), isa_name(), counted(answering_.threads(), "thread"));
  choices();
  checks();
  flush();
}

void RunReport::choices() const {
  for (const Arm& arm : answering_.arms()) {
    if (!arm.choice) continue;
    const GuardChoice& choice = *arm.choice;
    print(
        "auto: {}; of 20 answers that the whole cache gets right, expect to lose at most {:.2g} "
        "(calibrated on {} generated documents: {})\n",
        choice.asked > 1 ? fmt::format("kept 1/{:.1f} of the cache", arm.report.ratio())
                         : "kept the whole cache, since this document bears no compression",
        20 * choice.risk, choice.documents, choice.documents_are);
  }
}

const Precedent* RunReport::find_precedent(const Check& check) const {
  if (check.damage.known < kLeastKnown) return nullptr;
  return precedent_of(answering_.engine().model().hash(), check.damage.repeats());
}

void RunReport::checks() const {
  for (const Arm& arm : answering_.arms()) {
    if (!arm.check) continue;
    const SpanDamage& damage = arm.check->damage;
    if (damage.known < kLeastKnown) {
      print(
          "check: the whole cache itself repeats only {:.0f} % of {} samples of the document, so "
          "{} is not judged by them\n",
          100 * damage.known, arm.check->spans, arm.name);
      continue;
    }
    const Precedent* precedent = find_precedent(*arm.check);
    print(
        "check: {} repeats {:.1f} % of what the whole cache does, of {} samples of the "
        "document{}\n",
        arm.name, 100 * damage.repeats(), arm.check->spans,
        precedent ? fmt::format("; such caches of this model lost {:.0f} of 20 right answers "
                                "where that was measured",
                                20 * precedent->lost)
                  : "");
  }
}

void RunReport::question(Index question) const {
  if (json_) return;
  print("\n{}. {}\n", question + 1, one_line(questions_[static_cast<std::size_t>(question)]));
  if (!expected(question).empty())
    print("  {}  {}\n", fmt::format("{:<{}}", "expected", label_width()),
          one_line(expected(question)));
  flush();
}

void RunReport::begin_answer(Index arm) const {
  if (json_) return;
  const std::string name = label(answering_.arms()[static_cast<std::size_t>(arm)]);
  put("  " + name + std::string(static_cast<std::size_t>(label_width() - width(name)), ' ') + "  ");
  flush();
}

void RunReport::answer(Index question, Index index, const Answer& answer) {
  const Arm& arm = answering_.arms()[static_cast<std::size_t>(index)];
  Totals& totals = totals_[static_cast<std::size_t>(index)];
  ++totals.answers;
  totals.entries += answer.entries;
  totals.bytes += answer.bytes;
  totals.stored_as = answer.stored_as;
  totals.peak_bytes = std::max(totals.peak_bytes, answer.peak_bytes);
  totals.steps += answer.generated.steps;
  totals.decode_seconds += answer.generated.seconds;
  totals.compress_seconds += answer.compress_seconds;
  const bool judged = !expected(question).empty();
  const bool right = judged && is_right(answer.generated.text, expected(question));
  totals.judged += judged ? 1 : 0;
  totals.right += right ? 1 : 0;
  if (json_) {
    put_answer_json(question, arm, answer);
    return;
  }
  if (answer.generated.text.empty()) put("(no answer)");
  if (answer.generated.reason == StopReason::max_tokens) put("…");
  if (judged) put(right ? "  [right]" : "  [wrong]");
  put("\n");
  flush();
}

void RunReport::add_recipe(Json& json, const Arm& arm) const {
  json["recipe"] = arm.name;
  json["recipe_canonical"] = arm.canonical;
  if (arm.choice)
    json["auto"] = {{"recipe", arm.choice->recipe.to_string()},
                    {"ratio", arm.choice->asked},
                    {"signal", arm.choice->signal},
                    {"threshold", finite_or_null(arm.choice->threshold)},
                    {"risk", arm.choice->risk},
                    {"documents", arm.choice->documents},
                    {"guard_s", arm.choice->seconds}};
  if (arm.check) {
    const Precedent* precedent = find_precedent(*arm.check);
    json["check"] = {{"repeats", finite_or_null(arm.check->damage.repeats())},
                     {"known", arm.check->damage.known},
                     {"rise", finite_or_null(arm.check->damage.rise)},
                     {"spans", arm.check->spans},
                     {"lost_elsewhere", precedent ? Json(precedent->lost) : Json(nullptr)},
                     {"check_s", arm.check->seconds}};
  }
  json["when"] = to_string(answering_.schedule());
  json["sees_question"] = arm.sees_question;
  json["oracle"] = arm.oracle;
}

void RunReport::add_cache(Json& json, const Answer& answer) const {
  json["n_context_tokens"] = answering_.context_tokens();
  json["entries"] = answer.entries;
  json["lanes"] = answering_.lanes();
  json["cache_bytes"] = answer.bytes;
  json["cache_type"] = answer.stored_as;
  json["cold_bytes"] = answer.report.cold_bytes;
  json["full_bytes"] = answer.report.full_bytes;
  json["ratio"] = quotient(answer.report.full_bytes, answer.bytes);
  json["peak_bytes"] = answer.peak_bytes;
  json["prefill_s"] = answering_.read_seconds();
  json["compress_s"] = answer.compress_seconds;
}

void RunReport::add_engine(Json& json) const {
  json["model"] = model_;
  json["model_name"] = answering_.engine().config().name;
  json["numerics"] = numerics_name(answering_.engine());
  json["isa"] = isa_name();
  json["threads"] = answering_.threads();
}

void RunReport::put_answer_json(Index question, const Arm& arm, const Answer& answer) const {
  Json json;
  json["question"] = questions_[static_cast<std::size_t>(question)];
  json["answer"] = answer.generated.text;
  add_recipe(json, arm);
  if (!expected_.empty()) {
    const std::string wanted = expected(question);
    json["expected"] = wanted;
    json["right"] = wanted.empty() ? Json(nullptr) : Json(is_right(answer.generated.text, wanted));
  }
  add_cache(json, answer);
  json["decode_tok_s"] = answer.generated.tokens_per_second();
  json["n_answer_tokens"] = answer.generated.tokens.size();
  json["stop_reason"] = to_string(answer.generated.reason);
  json["rss_bytes"] = answer.memory.resident;
  json["peak_rss_bytes"] = answer.memory.peak;
  add_engine(json);
  put_json(json);
}

void RunReport::caches() const {
  if (!json_) return;
  for (const Arm& arm : answering_.arms()) {
    if (!arm.context) continue;
    Json json;
    add_recipe(json, arm);
    add_cache(json, answering_.unasked(arm));
    json["rss_bytes"] = answering_.memory_after_compression().resident;
    json["peak_rss_bytes"] = answering_.memory_after_compression().peak;
    add_engine(json);
    put_json(json);
  }
}

void RunReport::table() const {
  if (json_) return;
  Table table;
  table.add_column("recipe", Table::Align::left);
  if (!expected_.empty()) table.add_column("right");
  for (const char* title : {"entries", "bytes", "×", "stored as", "prefill s", "compress s",
                            "decode tok/s", "peak bytes"})
    table.add_column(title);
  for (std::size_t i = 0; i < totals_.size(); ++i) {
    const Arm& arm = answering_.arms()[i];
    const Totals& totals = totals_[i];
    const Index n = std::max<Index>(1, totals.answers);
    const Index entries = totals.answers > 0 ? totals.entries / n : arm.report.entries_after;
    const Index bytes = totals.answers > 0 ? totals.bytes / n : arm.report.bytes_after;
    const Index full = arm.sees_question ? answering_.full_bytes() : arm.report.full_bytes;
    std::vector<std::string> cells = {label(arm)};
    if (!expected_.empty()) cells.push_back(fmt::format("{}/{}", totals.right, totals.judged));
    cells.push_back(human_count(entries / answering_.lanes()));
    cells.push_back(human_bytes(bytes));
    cells.push_back(fmt::format("{:.1f}", quotient(full, bytes)));
    cells.push_back(totals.answers > 0 ? totals.stored_as
                                       : cache_format_name(arm.context->cache()));
    cells.push_back(human_seconds(answering_.read_seconds()));
    cells.push_back(human_seconds(totals.answers > 0
                                      ? totals.compress_seconds / static_cast<double>(n)
                                      : arm.compress_seconds));
    cells.push_back(totals.answers > 0
                        ? fmt::format("{:.1f}", per_second(totals.steps, totals.decode_seconds))
                        : "-");
    const Index reading = arm.peak_bytes > 0 ? arm.peak_bytes : arm.report.bytes_before;
    cells.push_back(human_bytes(std::max(totals.peak_bytes, reading)));
    table.add_row(std::move(cells));
  }
  put("\n" + table.to_string());
  footnotes();
  flush();
}

void RunReport::footnotes() const {
  const auto& arms = answering_.arms();
  const bool looks =
      std::any_of(arms.begin(), arms.end(), [](const Arm& arm) { return arm.sees_question; });
  print("\nentries: mean per lane ({} lanes). ×: full bf16 cache / bytes. prefill: {}.\n",
        answering_.lanes(),
        answering_.schedule().when == When::chunk
            ? fmt::format("each recipe reads for itself ({}); the mean",
                          to_string(answering_.schedule()))
            : "one reading, shared by all recipes");
  if (looks)
    put("A recipe that sees the question is carried out anew for each question on the whole cache, "
        "which must stay; "
        "its numbers are means.\n");
  const Memory &before = answering_.memory_after_reading(),
               &after = answering_.memory_after_compression();
  print("Process: {} resident after reading, {} after compression{}, {} at its peak.\n",
        human_bytes(before.resident), human_bytes(after.resident),
        arms.size() == 1 ? "" : " (all recipes together)", human_bytes(memory_usage().peak));
}

}  // namespace pith::cli
