// Long exact strings in prose: 64 digits, and UUIDs. One wrong character makes the answer wrong.
#include "eval/suites/family.h"

namespace pith::eval {
namespace {

constexpr Index kStrings = 4;

Document make(const Request& request) {
  Rng rng = request.rng();
  const bool uuids = request.task == "string_uuid";
  const auto things = sample_words(rng, words::things(), kStrings);
  std::vector<std::string> values;
  std::vector<Planted> planted;
  for (Index i = 0; i < kStrings; ++i) {
    values.push_back(uuids ? uuid(rng) : number(rng, 64));
    const auto form = uuids ? "The tracking id of the {thing} is {value}."
                            : "The serial number of the {thing} is {value}.";
    planted.push_back(
        {fill(form, {{"thing", things[static_cast<std::size_t>(i)]}, {"value", values.back()}}),
         (static_cast<double>(i) + rng.uniform()) / kStrings});
  }
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const std::string_view kind = uuids ? "tracking id" : "serial number";
  for (Index i = 0; i < kStrings; ++i) {
    const auto& thing = things[static_cast<std::size_t>(i)];
    Item& item = add_item(document, request);
    item.question = fmt::format("What is the {} of the {}? Copy it exactly.", kind, thing);
    item.answer_prefix = fmt::format("The {} of the {} is", kind, thing);
    item.references = {woven.reference(i, "value")};
    item.metric = Metric::keywords;  // as a word: no more digits before or after it
    item.max_tokens = uuids ? 64 : 96;
    item.distractors = others(values, i);
    item.tags = {{"depth", woven.depth(i)},
                 {"characters", std::to_string(values[static_cast<std::size_t>(i)].size())}};
  }
  return document;
}

}  // namespace

const Family& strings_family() {
  static const Family family = {{"strings",
                                 "64-digit numbers and UUIDs in prose, to be copied exactly",
                                 "own",
                                 {"string_digits", "string_uuid"}},
                                make};
  return family;
}

}  // namespace pith::eval
