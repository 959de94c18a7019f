// Access codes in prose: one, six, at the end of chains of one to four facts, and of six chains of
// two.
#include <algorithm>
#include <array>

#include "eval/suites/family.h"

namespace pith::eval {
namespace {

constexpr Index kMulti = 6;
constexpr Index kChains = 4;
constexpr Index kMaxHops = 4;
constexpr Index kTwoHopChains = 6;

Sentence access_code(const std::string& site, const std::string& code) {
  return fill("The access code for the {site} is {code}.", {{"site", site}, {"code", code}});
}

// Asks for the code of sentence `i`; the distractors are the other codes.
void ask_code(Document& document, const Request& request, const Woven& woven, Index i,
              const std::vector<std::string>& codes) {
  const std::string site = woven.reference(i, "site").text;
  Item& item = add_item(document, request);
  item.question = fmt::format("What is the access code for the {}?", site);
  item.answer_prefix = fmt::format("The access code for the {} is", site);
  item.references = {woven.reference(i, "code")};
  item.metric = Metric::code;
  item.max_tokens = 24;
  item.distractors = others(codes, i);
  item.tags = {{"depth", woven.depth(i)}, {"hops", "1"}};
}

Document codes_in_prose(const Request& request) {
  Rng rng = request.rng();
  const bool multi = request.task == "needle_multi", noise = request.task == "needle_noise";
  const Index n = multi ? kMulti : 1;
  const auto codes = make_codes(rng, n);
  const auto sites = sample_words(rng, words::sites(), n);
  std::vector<Planted> planted;
  for (Index i = 0; i < n; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const double depth = multi ? (static_cast<double>(i) + rng.uniform()) / static_cast<double>(n)
                               : even_depth(request.index);
    planted.push_back({access_code(sites[k], codes[k]), depth});
  }
  const Woven woven =
      weave(planted, noise ? noise_filler() : prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  for (Index i = 0; i < n; ++i) {
    ask_code(document, request, woven, i, codes);
    document.items.back().tags["haystack"] = noise ? "noise" : "prose";
  }
  return document;
}

struct Chain {
  std::string assistant, worker, firm, city, code;

  // The facts in the order of their distance from the code: hops 1, 2, 3, 4.
  std::array<Sentence, kMaxHops> facts() const {
    return {
        fill("The access code of the {city} office is {code}.", {{"city", city}, {"code", code}}),
        fill("The office of {firm} is in {city}.", {{"firm", firm}, {"city", city}}),
        fill("{worker} works at {firm}.", {{"worker", worker}, {"firm", firm}}),
        fill("{assistant} reports to {worker}.", {{"assistant", assistant}, {"worker", worker}})};
  }

  // Small models find the code only if they say the steps before it, so the answer begins with
  // the first step.
  void ask(Item& item, Index hops) const {
    switch (hops) {
      case 1:
        item.question = fmt::format("What is the access code of the {} office?", city);
        item.answer_prefix = fmt::format("The access code of the {} office is", city);
        return;
      case 2:
        item.question = fmt::format(
            "What is the access code of the office of {}? Name the city first, then the code.",
            firm);
        item.answer_prefix = fmt::format("The office of {} is in", firm);
        return;
      case 3:
        item.question = fmt::format(
            "What is the access code of the office where {} works? Name the "
            "company first, then the city, then the code.",
            worker);
        item.answer_prefix = fmt::format("{} works at", worker);
        return;
      default:
        item.question = fmt::format(
            "What is the access code of the office where the person works to whom {} reports? Name "
            "the person first, then the company, then the city, then the code.",
            assistant);
        item.answer_prefix = fmt::format("{} reports to", assistant);
    }
  }
};

// Chains of `length` facts in prose, of which some are asked for: (chain, hops).
Document chains_in_prose(const Request& request, Index count, Index length,
                         const std::vector<std::pair<Index, Index>>& asked) {
  Rng rng = request.rng();
  const auto codes = make_codes(rng, count);
  const auto people = make_people(rng, 2 * count);
  const auto firms = sample_words(rng, words::firms(), count);
  const auto cities = sample_words(rng, words::cities(), count);
  std::vector<Chain> chains;
  std::vector<Planted> planted;  // chain c's fact at hop h is number length c + h - 1
  for (std::size_t c = 0; c < static_cast<std::size_t>(count); ++c) {
    chains.push_back({people[2 * c].name, people[2 * c + 1].name, firms[c], cities[c], codes[c]});
    const auto facts = chains.back().facts();
    for (Index h = 0; h < length; ++h) planted.push_back({facts[static_cast<std::size_t>(h)], 0});
  }
  std::vector<Index> places = sample(rng, count * length, count * length);
  for (std::size_t i = 0; i < planted.size(); ++i)
    planted[i].depth =
        (static_cast<double>(places[i]) + rng.uniform()) / static_cast<double>(planted.size());
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  for (const auto& [c, hop] : asked) {
    const Index fact = c * length;
    Item& item = add_item(document, request);
    chains[static_cast<std::size_t>(c)].ask(item, hop);
    item.references = {woven.reference(fact, "code")};
    item.metric = Metric::code;
    item.max_tokens = 24 + 16 * hop;
    item.distractors = others(codes, c);
    for (Index h = 1; h < hop; ++h)
      item.support.push_back(woven.places[static_cast<std::size_t>(fact + h)]);
    item.tags = {
        {"depth", woven.depth(fact)}, {"hops", std::to_string(hop)}, {"haystack", "prose"}};
  }
  return document;
}

Document hops(const Request& request) {
  std::vector<std::pair<Index, Index>> asked;
  for (Index hop = 1; hop <= kMaxHops; ++hop)
    for (Index turn = 0; turn < 2; ++turn) asked.push_back({(hop + 2 * turn) % kChains, hop});
  return chains_in_prose(request, kChains, kMaxHops, asked);
}

// Models of half a billion parameters end after the first hop unless they are told the form.
Document two_hops(const Request& request) {
  std::vector<std::pair<Index, Index>> asked;
  for (Index c = 0; c < kTwoHopChains; ++c) asked.push_back({c, 2});
  Document document = chains_in_prose(request, kTwoHopChains, 2, asked);
  for (Item& item : document.items)
    item.question +=
        " Answer with two sentences of the text: \"The office of … is in CITY. The access code of "
        "the CITY office is CODE.\"";
  return document;
}

Document make(const Request& request) {
  if (request.task == "needle_two_hops") return two_hops(request);
  return request.task == "needle_hops" ? hops(request) : codes_in_prose(request);
}

}  // namespace

const Family& needles_family() {
  static const Family family = {
      {"needles",
       "access codes in varied prose or in RULER's noise: one, six, behind one to four hops, and "
       "six behind two",
       "own, after the code format of S0",
       {"needle_single", "needle_noise", "needle_multi", "needle_hops", "needle_two_hops"}},
      make};
  return family;
}

}  // namespace pith::eval
