// InfiniteBench's retrieval tasks (Zhang et al. 2024): passkey, number_string, kv_retrieval. Counts
// scale with the length; the tags say what they became.
#include "eval/suites/infinite.h"

#include <set>

namespace pith::eval {
namespace infinite {

Document make_passkey(const Request& request) {
  Rng rng = request.rng();
  const bool key = request.task == "passkey";
  std::string value = digits(rng, 5);
  if (!key)  // five of ten digits repeat the one that they stand before
    for (Index k = 0; k < 5; ++k) {
      const auto at = static_cast<std::size_t>(rng.below(5 + k));
      value.insert(at, 1, value[at]);
    }
  const Sentence sentence = fill(
      key ? "The pass key is {value}. Remember it. {again} is the pass key."
          : "The sequence of digits is {value}. Remember it. {again} is the sequence of digits.",
      {{"value", value}, {"again", value}});
  const std::string frame = key ? "There is an important info hidden inside a lot of irrelevant "
                                  "text. Find it and memorize "
                                  "it. I will quiz you about the important information.\n\n"
                                : "There is an important info hidden inside a lot of irrelevant "
                                  "text. Find it. I will quiz "
                                  "you about the important information there.\n\n";
  const TokenCounter count = [&](std::string_view text) {
    return request.count(frame + std::string(text) + "\n");
  };
  const Woven woven = weave({{sentence, even_depth(request.index)}}, noise_filler(),
                            {request.options.tokens, count}, rng);
  Document document = new_document(request);
  document.text = frame + woven.text + "\n";
  Item& item = add_item(document, request);
  item.question = key ? "What is the pass key?" : "What is the sequence of digits?";
  item.answer_prefix = key ? "The pass key is" : "The sequence of digits is";
  item.references = {{value, find_words(document.text, value)}};
  item.metric = Metric::first_integer;
  item.cut = Cut::whole;
  item.max_tokens = key ? 6 : 12;
  item.tags = {{"depth", woven.depth(0)}};
  return document;
}

Document make_kv_retrieval(const Request& request) {
  Rng rng = request.rng();
  std::vector<std::string> ids;  // key, value, key, value, ...
  const auto build = [&](Index pairs) {
    while (static_cast<Index>(ids.size()) < 2 * pairs) ids.push_back(uuid(rng));
    std::string text =
        "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON "
        "data:\n{";
    for (std::size_t i = 0; i < 2 * static_cast<std::size_t>(pairs); i += 2)
      text += fmt::format("{}\"{}\": \"{}\"", i == 0 ? "" : ", ", ids[i], ids[i + 1]);
    return text + "}\n";
  };
  const Index pairs = fit_units(2, request.length(), "two pairs of identifiers", build);
  Document document = new_document(request);
  document.text = build(pairs);
  constexpr Index kAsked = 5;
  for (Index q = 0; q < kAsked; ++q) {
    const auto i = static_cast<std::size_t>((q * pairs + rng.below(pairs)) / kAsked);
    Item& item = add_item(document, request);
    item.question =
        fmt::format("Key: \"{}\"\nThe value associated with the specified key is:", ids[2 * i]);
    item.references = {{ids[2 * i + 1], find_words(document.text, ids[2 * i + 1])}};
    item.metric = Metric::word;
    item.cut = Cut::whole;
    item.max_tokens = 50;
    for (std::size_t k = 0; k < static_cast<std::size_t>(pairs); ++k)
      if (k != i) item.distractors.push_back(ids[2 * k + 1]);
    item.tags = {{"depth", percent(static_cast<double>(i) / static_cast<double>(pairs))},
                 {"pairs", std::to_string(pairs)},
                 {"pairs_published", "2500"}};
  }
  return document;
}

namespace {

Document make(const Request& request) {
  if (request.task == "kv_retrieval") return make_kv_retrieval(request);
  if (request.task == "math_find") return make_math_find(request);
  if (request.task == "math_calc") return make_math_calc(request);
  if (request.task == "code_run") return make_code_run(request);
  return make_passkey(request);
}

}  // namespace
}  // namespace infinite

const Family& infinite_family() {
  static const Family family = {
      {"infinite",
       "InfiniteBench's six generable tasks, their counts scaled to the length",
       "arXiv 2402.13718, OpenBMB/InfiniteBench (MIT)",
       {"passkey", "number_string", "kv_retrieval", "math_find", "math_calc", "code_run"}},
      infinite::make};
  return family;
}

}  // namespace pith::eval
