#include "eval/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "base/error.h"
#include "eval/judge_text.h"

namespace pith::eval {
namespace {

using namespace std::string_view_literals;

constexpr std::array<std::pair<Metric, std::string_view>, 15> kMetrics = {{
    {Metric::contains_all, "contains_all"},
    {Metric::keywords, "keywords"},
    {Metric::contains_any, "contains_any"},
    {Metric::code, "code"},
    {Metric::first_integer, "first_integer"},
    {Metric::last_integer, "last_integer"},
    {Metric::word, "word"},
    {Metric::prefix, "prefix"},
    {Metric::token_f1, "token_f1"},
    {Metric::rouge_l, "rouge_l"},
    {Metric::edit_similarity, "edit_similarity"},
    {Metric::classification, "classification"},
    {Metric::number_share, "number_share"},
    {Metric::abstain, "abstain"},
    {Metric::follows, "follows"},
}};

// Whether one sequence of words stands in another, whole words only.
bool has_words(const std::vector<std::string>& text, const std::vector<std::string>& part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end()) != text.end();
}

bool keeps(std::string_view rule, std::string_view answer) {
  const std::size_t colon = std::min(rule.find(':'), rule.size());
  const auto name = rule.substr(0, colon);
  const auto value = colon < rule.size() ? rule.substr(colon + 1) : ""sv;
  const auto words = plain_words(answer), wanted = plain_words(value);
  const bool long_enough = words.size() >= wanted.size();
  const auto count = static_cast<std::ptrdiff_t>(wanted.size());
  const auto letters = [&](char first, char last) {
    return std::any_of(answer.begin(), answer.end(),
                       [&](char c) { return c >= first && c <= last; });
  };
  if (name == "uppercase") return letters('A', 'Z') && !letters('a', 'z');
  if (name == "lowercase") return letters('a', 'z') && !letters('A', 'Z');
  if (name == "one_line") {
    const auto line = cut_answer(answer, Cut::first_line);
    const std::size_t end = answer.find_last_not_of(" \t\r\n");
    return end != std::string_view::npos && line.data() + line.size() > answer.data() + end;
  }
  if (name == "starts_with")
    return long_enough && std::equal(wanted.begin(), wanted.end(), words.begin());
  if (name == "ends_with")
    return long_enough && std::equal(wanted.begin(), wanted.end(), words.end() - count);
  if (name == "contains") return has_words(words, wanted);
  if (name == "not_contains") return !has_words(words, wanted);
  if (name == "max_words") {
    std::size_t most = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), most);
    if (error == std::errc() && end == value.data() + value.size())
      return !words.empty() && words.size() <= most;
  }
  fail(ErrorCode::bad_input,
       fmt::format("unknown rule \"{}\": expected uppercase, lowercase, one_line, max_words:N, "
                   "starts_with:X, ends_with:X, contains:X or not_contains:X",
                   rule));
}

double rules_kept(std::string_view rules, std::string_view answer) {
  Index kept = 0, all = 0;
  for (std::size_t at = 0; at <= rules.size(); ++all) {
    const std::size_t end = std::min(rules.find('|', at), rules.size());
    kept += keeps(rules.substr(at, end - at), answer);
    at = end + 1;
  }
  return static_cast<double>(kept) / static_cast<double>(all);
}

double best(const Item& item, std::string_view answer,
            double (*score)(std::string_view, std::string_view)) {
  double most = 0;
  for (const Reference& reference : item.references)
    most = std::max(most, score(answer, reference.text));
  return most;
}

double share_contained(const Item& item, std::string_view answer) {
  if (item.references.empty()) return 0;
  Index found = 0;
  for (const Reference& reference : item.references)
    found += contains_ignoring_case(answer, reference.text);
  return static_cast<double>(found) / static_cast<double>(item.references.size());
}

bool all_words(const Item& item, std::string_view answer) {
  return !item.references.empty() && std::all_of(item.references.begin(), item.references.end(),
                                                 [&](const Reference& reference) {
                                                   return contains_word(answer, reference.text);
                                                 });
}

bool any_reference(const Item& item, std::string_view answer,
                   bool (*holds)(std::string_view, std::string_view)) {
  return std::any_of(item.references.begin(), item.references.end(),
                     [&](const Reference& reference) { return holds(answer, reference.text); });
}

double right_from_start(const Item& item, std::string_view answer) {
  const auto said = integers(answer, true);
  std::size_t right = 0;
  while (right < said.size() && right < item.references.size() &&
         said[right] == item.references[right].text)
    ++right;
  return item.references.empty()
             ? 0
             : static_cast<double>(right) / static_cast<double>(item.references.size());
}

// InfiniteBench: punctuation that may touch a value becomes white space.
double among_words(std::string_view answer, std::string_view reference) {
  std::string text(answer);
  for (char& c : text)
    if ("\n:\"'.,?!{}"sv.find(c) != std::string_view::npos) c = ' ';
  const auto words = raw_words(text);
  return std::find(words.begin(), words.end(), reference) != words.end() ? 1 : 0;
}

// LongBench: the first line that is neither a comment nor a fence.
double code_line(std::string_view answer, std::string_view reference) {
  std::string_view line;
  for (std::size_t at = 0; at < answer.size();) {
    const std::size_t end = std::min(answer.find('\n', at), answer.size());
    const auto candidate = answer.substr(at, end - at);
    at = end + 1;
    if (candidate.empty()) continue;
    if (contains(candidate, "`") || contains(candidate, "#") || contains(candidate, "//")) continue;
    line = candidate;
    break;
  }
  return edit_similarity(line, reference);
}

// LongBench: classes named in the answer; one that is only part of the right one's name is no
// other.
double class_score(const Item& item, std::string_view answer) {
  double most = 0;
  for (const Reference& reference : item.references) {
    if (!contains(answer, reference.text)) continue;
    Index named = 1;
    for (const std::string& other : item.distractors)
      named +=
          other != reference.text && contains(answer, other) && !contains(reference.text, other);
    most = std::max(most, 1.0 / static_cast<double>(named));
  }
  return most;
}

double number_share(std::string_view answer, std::string_view reference) {
  const auto said = integers(answer);
  if (said.empty()) return 0;
  return static_cast<double>(std::count(said.begin(), said.end(), reference)) /
         static_cast<double>(said.size());
}

// Whether each integer of a sequence stands in a text as one of its own.
bool has_integers(const Item& item, std::string_view answer) {
  const auto said = integers(answer, true);
  return !item.references.empty() &&
         std::all_of(item.references.begin(), item.references.end(), [&](const auto& reference) {
           return std::find(said.begin(), said.end(), reference.text) != said.end();
         });
}

bool claims_forbidden(const Item& item, std::string_view answer) {
  return std::any_of(item.forbidden.begin(), item.forbidden.end(),
                     [&](const std::string& part) { return claims(answer, part); });
}

double score_of(const Item& item, std::string_view answer) {
  if (claims_forbidden(item, answer)) return 0;
  switch (item.metric) {
    case Metric::contains_all:
      return share_contained(item, answer);
    case Metric::keywords:
      return all_words(item, answer) ? 1 : 0;
    case Metric::contains_any:
      return any_reference(item, answer, contains_ignoring_case) ? 1 : 0;
    case Metric::code:
      return any_reference(item, answer, contains_word) ? 1 : 0;
    case Metric::first_integer: {
      const auto said = integers(answer);
      return !said.empty() &&
             any_reference(item, said.front(), [](auto a, auto b) { return a == b; });
    }
    case Metric::last_integer: {
      const auto said = integers(answer, true);
      return !said.empty() &&
             any_reference(item, said.back(), [](auto a, auto b) { return a == b; });
    }
    case Metric::word:
      return best(item, answer, among_words);
    case Metric::prefix:
      return right_from_start(item, answer);
    case Metric::token_f1:
      return best(item, answer, token_f1);
    case Metric::rouge_l:
      return best(item, answer, rouge_l);
    case Metric::edit_similarity:
      return best(item, answer, code_line);
    case Metric::classification:
      return class_score(item, answer);
    case Metric::number_share:
      return best(item, answer, number_share);
    case Metric::abstain:
      return abstains(answer) ? 1 : 0;
    case Metric::follows:
      return rules_kept(item.rule, answer);
  }
  return 0;
}

bool same(const std::string& a, const std::string& b) { return !a.empty() && a == b; }
bool shares(const Code& a, const Code& b) {
  return same(a.color, b.color) || same(a.animal, b.animal) || same(a.digits, b.digits);
}

bool shares_any(const Code& said, const std::vector<Code>& facts) {
  return std::any_of(facts.begin(), facts.end(), [&](const Code& f) { return shares(said, f); });
}

// S0's classes, from the first code in the answer: something with digits, or with a colour or an
// animal of the context (a code broken off, "PEARL-OTTER-").
std::optional<Failure> code_failure(const Item& item, std::string_view answer) {
  std::vector<Code> asked, other;
  for (const Reference& reference : item.references)
    for (Code& code : codes(reference.text)) asked.push_back(std::move(code));
  for (const std::string& distractor : item.distractors)
    for (Code& code : codes(distractor)) other.push_back(std::move(code));
  for (const Code& said : codes(answer)) {
    const bool of_asked = shares_any(said, asked), of_other = shares_any(said, other);
    if (of_asked) return of_other ? Failure::crossover : Failure::partial;
    if (of_other) return Failure::other_fact;
    if (!said.digits.empty()) return Failure::fabricated;
  }
  return std::nullopt;
}

Failure failure_of(const Item& item, std::string_view answer, double score, bool ended) {
  if (item.metric == Metric::follows || claims_forbidden(item, answer)) return Failure::broken_rule;
  if (item.metric == Metric::code)
    if (const auto failure = code_failure(item, answer)) return *failure;
  if (item.metric != Metric::abstain && abstains(answer)) return Failure::abstain;
  const bool other = item.metric != Metric::classification &&
                     std::any_of(item.distractors.begin(), item.distractors.end(),
                                 [&](const auto& fact) { return contains_word(answer, fact); });
  if (score > 0) return other ? Failure::crossover : Failure::partial;
  if (other) return Failure::other_fact;
  return ended ? Failure::fabricated : Failure::unended;
}

}  // namespace

std::string_view to_string(Metric metric) {
  for (const auto& [known, name] : kMetrics)
    if (known == metric) return name;
  return "metric";
}

std::optional<Metric> metric_named(std::string_view name) {
  for (const auto& [metric, known] : kMetrics)
    if (known == name) return metric;
  return std::nullopt;
}

std::string_view to_string(Failure failure) {
  switch (failure) {
    case Failure::none:
      return "none";
    case Failure::crossover:
      return "crossover";
    case Failure::other_fact:
      return "other_fact";
    case Failure::partial:
      return "partial";
    case Failure::fabricated:
      return "fabricated";
    case Failure::abstain:
      return "abstain";
    case Failure::broken_rule:
      return "broken_rule";
    case Failure::unended:
      return "unended";
  }
  return "failure";
}

std::string_view cut_answer(std::string_view answer, Cut cut) {
  if (cut == Cut::whole) return answer;
  const std::size_t begin = std::min(answer.find_first_not_of(" \t\r\n"), answer.size());
  answer.remove_prefix(begin);
  if (cut == Cut::first_line) return answer.substr(0, answer.find('\n'));
  std::size_t end = std::min(answer.find("Question:"), answer.size());
  for (std::size_t at = 0; (at = answer.find('\n', at)) < end; ++at) {
    const std::size_t next = answer.find_first_not_of(" \t\r", at + 1);
    if (next == std::string_view::npos || answer[next] == '\n') end = at;
  }
  answer = answer.substr(0, end);
  while (!answer.empty() && " \t\r\n"sv.find(answer.back()) != std::string_view::npos)
    answer.remove_suffix(1);
  return answer;
}

std::string judging_of(std::string_view suite, const Item& item) {
  if (!suite.starts_with("folder:") && !suite.starts_with("ruler:") &&
      !suite.starts_with("longbench:")) {
    const bool otherwise = item.metric == Metric::follows || item.metric == Metric::prefix ||
                           item.task.starts_with("string_");
    const bool told_apart = item.task.starts_with("physics_") || item.task == "niah_multikey_2" ||
                            item.task == "niah_multikey_3";
    return otherwise ? "whole answers, words and integers" : told_apart ? "other facts" : "";
  }
  std::string text = fmt::format("{}{}{}{}{}", to_string(item.metric), '\0',
                                 static_cast<int>(item.cut), '\0', item.rule);
  for (const Reference& reference : item.references)
    text.append("\0answer ", 8).append(reference.text);
  for (const auto& part : item.forbidden) text.append("\0forbidden ", 11).append(part);
  for (const auto& part : item.distractors) text.append("\0other ", 7).append(part);
  return text;
}

Verdict judge(const Item& item, std::string_view answer, bool ended) {
  const std::string_view said = cut_answer(answer, item.cut);
  Verdict verdict;
  verdict.score = score_of(item, said);
  const bool numbers = item.metric == Metric::prefix;
  if (numbers || item.metric == Metric::contains_all || item.metric == Metric::keywords) {
    verdict.contained = numbers ? has_integers(item, said) : share_contained(item, said) == 1;
    std::string every;  // a list is exact if it has the references in their order
    for (const Reference& reference : item.references) every += reference.text + ' ';
    verdict.exact = !item.references.empty() && normal_words(said) == normal_words(every);
  } else {
    verdict.contained = any_reference(item, said, contains_ignoring_case);
    verdict.exact = any_reference(
        item, said, [](auto a, auto b) { return normal_words(a) == normal_words(b); });
  }
  if (verdict.score < 1) verdict.failure = failure_of(item, said, verdict.score, ended);
  return verdict;
}

bool is_right(const Item& item, const Verdict& verdict) {
  if (verdict.failure == Failure::none) return true;
  const bool by_words = item.metric == Metric::token_f1 || item.metric == Metric::rouge_l;
  return by_words && verdict.contained && verdict.failure != Failure::broken_rule;
}

}  // namespace pith::eval
