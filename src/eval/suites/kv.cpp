// Key-value lines: "key fox-teal-31: 58204". Nothing but the right line helps.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

constexpr Index kAsked = 10;

// Lines that share neither key nor value: there are as many as keys of two words and two digits, or
// as five-digit values.
Index most_lines() {
  constexpr std::size_t kValues = 90'000, kDigits = 90;
  return static_cast<Index>(
      std::min(kValues, words::animals().size() * words::colors().size() * kDigits));
}

struct Line {
  std::string key, value;
};

Line draw_line(Rng& rng) {
  std::string key(pick(rng, words::animals()));
  key += '-';
  key += pick(rng, words::colors());
  return {key + '-' + number(rng, 2), number(rng, 5)};
}

Document make(const Request& request) {
  Rng rng = request.rng();
  std::vector<Line> lines;
  std::set<std::string> used;
  const auto need = [&](Index n) {
    if (n > most_lines())
      fail(ErrorCode::bad_input,
           fmt::format("--tokens {}: a document of kv as long as that needs more than {} lines, "
                       "and there are no more different ones; ask for fewer tokens",
                       request.options.tokens, most_lines()));
    while (static_cast<Index>(lines.size()) < n) {
      Line line = draw_line(rng);
      if (used.count(line.key) != 0 || used.count(line.value) != 0) continue;
      used.insert({line.key, line.value});
      lines.push_back(std::move(line));
    }
  };
  const auto build = [&](Index n) {
    need(n);
    std::string text;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      text += fmt::format("{}key {}: {}", i == 0 ? "" : "\n", lines[i].key, lines[i].value);
    return text;
  };
  const Index n = fit_units(kAsked, request.length(), "ten key-value lines", build);
  Document document = new_document(request);
  document.text = build(n);
  std::vector<std::string> values;
  std::vector<Index> begins;  // of the values
  Index at = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    values.push_back(lines[i].value);
    begins.push_back(at + static_cast<Index>(4 + lines[i].key.size() + 2));
    at = begins.back() + 5 + 1;
  }
  for (Index q = 0; q < kAsked; ++q) {
    const Index i = (q * n + rng.below(n)) / kAsked;  // one of each tenth
    const auto k = static_cast<std::size_t>(i);
    Item& item = add_item(document, request);
    item.question = fmt::format("What is the value of key {}?", lines[k].key);
    item.answer_prefix = fmt::format("The value of key {} is", lines[k].key);
    item.references = {{lines[k].value, {{begins[k], begins[k] + 5}}}};
    item.metric = Metric::first_integer;
    item.max_tokens = 16;
    item.distractors = others(values, i);
    item.tags = {{"depth", percent(static_cast<double>(i) / static_cast<double>(n))},
                 {"lines", std::to_string(n)}};
  }
  return document;
}

}  // namespace

const Family& kv_family() {
  static const Family family = {
      {"kv", "lines of keys and five-digit values, ten of them asked for", "own", {"kv"}}, make};
  return family;
}

}  // namespace pith::eval
