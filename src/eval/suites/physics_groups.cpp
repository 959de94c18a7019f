// Physics tasks about several people: Multi entity, Long context, Coreference, Hops.
#include <algorithm>

#include "eval/suites/physics.h"

namespace pith::eval::physics {
namespace {

std::vector<std::string> drawn(Rng& rng, Words from, Index n) { return sample_words(rng, from, n); }

// Evenly spread depths in random order.
std::vector<double> scattered(Rng& rng, Index n) {
  std::vector<double> depths;
  for (const Index place : sample(rng, n, n))
    depths.push_back((static_cast<double>(place) + rng.uniform()) / static_cast<double>(n));
  return depths;
}

}  // namespace

Document make_entities(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kPeople = 5, kFacts = 4;
  const auto people = make_people(rng, kPeople);
  const auto firms = drawn(rng, words::firms(), kPeople);
  const auto cities = drawn(rng, words::cities(), kPeople);
  const auto creatures = drawn(rng, words::creatures(), kPeople);
  std::vector<Planted> planted;  // person p's facts are sentences 4p to 4p + 3
  const auto depths = scattered(rng, kPeople * kFacts);
  for (std::size_t p = 0; p < static_cast<std::size_t>(kPeople); ++p) {
    const Values values = {{"a", people[p].name},
                           {"b", people[(p + 1) % kPeople].name},
                           {"firm", firms[p]},
                           {"city", cities[p]},
                           {"creature", creatures[p]}};
    for (const auto* form : {"{a} works for {firm}.", "{a} lives in {city}.",
                             "{a} keeps a pet, one {creature}.", "{a} is the mentor of {b}."})
      planted.push_back({fill(form, values), depths[planted.size()]});
  }
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const auto turn = rng.below(kPeople);
  for (Index q = 0; q < 10; ++q) {
    const Index p = (q + turn) % kPeople, next = (p + 1) % kPeople, before = (p + 4) % kPeople;
    const auto name = [&](Index i) { return people[static_cast<std::size_t>(i)].name; };
    const Question questions[] = {
        {fmt::format("For which company does {} work?", name(p)),
         {{4 * p, "firm"}},
         "Organization"},
        {fmt::format("Where does {} live?", name(p)), {{4 * p + 1, "city"}}, "Location"},
        {fmt::format("Which kind of animal does {} keep?", name(p)),
         {{4 * p + 2, "creature"}},
         "Creature"},
        {fmt::format("Who works for {}?", firms[static_cast<std::size_t>(p)]),
         {{4 * p, "a"}},
         "Person",
         "reverse"},
        {fmt::format("Who keeps the {}?", creatures[static_cast<std::size_t>(p)]),
         {{4 * p + 2, "a"}},
         "Person",
         "reverse"},
        {fmt::format("Whose mentor is {}?", name(p)), {{4 * p + 3, "b"}}, "Person"},
        {fmt::format("Who is the mentor of {}?", name(next)),
         {{4 * p + 3, "a"}},
         "Person",
         "reverse"},
        {fmt::format("Where does the person live whose mentor is {}?", name(p)),
         {{4 * next + 1, "city"}},
         "Location",
         "forward",
         "Manipulated",
         {4 * p + 3}},
        {fmt::format("For which company does the mentor of {} work?", name(p)),
         {{4 * before, "firm"}},
         "Organization",
         "reverse",
         "Manipulated",
         {4 * before + 3}},
        {fmt::format("Which animals do {} and {} keep?", name(p), name(before)),
         {{4 * p + 2, "creature"}, {4 * before + 2, "creature"}},
         "Creature",
         "forward",
         "Part"}};
    Item& item = add_question(document, request, woven, questions[q]);
    item.tags["relational"] = std::to_string(q >= 5 && q < 9);
  }
  return document;
}

Document make_long(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kPeople = 3;
  constexpr std::string_view kDistance[] = {"far", "mid", "near"};  // from the end of the document
  const auto people = make_people(rng, kPeople);
  const auto firms = drawn(rng, words::firms(), kPeople);
  const auto cities = drawn(rng, words::cities(), kPeople);
  const auto instruments = drawn(rng, words::instruments(), kPeople);
  std::vector<Planted> planted;  // person p's facts are sentences 3p to 3p + 2
  for (std::size_t p = 0; p < static_cast<std::size_t>(kPeople); ++p) {
    const Values values = {{"a", people[p].name},
                           {"firm", firms[p]},
                           {"city", cities[p]},
                           {"instrument", instruments[p]}};
    std::size_t fact = 0;
    for (const auto* form : {"{a} works for {firm}.", "{a} lives in {city}.",
                             "{a} has learned to play the {instrument}."}) {
      constexpr double kBegin[] = {0.0, 0.4, 0.85};
      planted.push_back({fill(form, values), kBegin[(p + fact++) % 3] + 0.15 * rng.uniform()});
    }
  }
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const auto distance = [&](Index sentence) {
    return kDistance[(sentence / 3 + sentence % 3) % 3];
  };
  const auto add = [&](const Question& question) {
    Item& item = add_question(document, request, woven, question);
    item.tags["distance"] =
        question.answers.size() > 1 ? "several" : distance(question.answers[0].first);
  };
  for (Index p = 0; p < kPeople; ++p) {
    const auto k = static_cast<std::size_t>(p);
    add({fmt::format("For which company does {} work?", people[k].name),
         {{3 * p, "firm"}},
         "Organization"});
    add({fmt::format("Where does {} live?", people[k].name), {{3 * p + 1, "city"}}, "Location"});
  }
  add({fmt::format("Who has learned to play the {}?", instruments[0]),
       {{2, "a"}},
       "Person",
       "reverse"});
  add({fmt::format("Who lives in {}?", cities[1]), {{4, "a"}}, "Person", "reverse"});
  add({fmt::format("Which instruments have {}, {} and {} learned to play?", people[0].name,
                   people[1].name, people[2].name),
       {{2, "instrument"}, {5, "instrument"}, {8, "instrument"}},
       "Thing",
       "forward",
       "Part"});
  add({fmt::format("For which company does the person work who lives in {}?", cities[2]),
       {{6, "firm"}},
       "Organization",
       "reverse",
       "Manipulated",
       {7}});
  return document;
}

Document make_coreference(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kScenes = 9;
  struct Scene {
    std::string_view setting, open, closed, question;
  };
  constexpr Scene kSettingsOf[] = {
      {"{a} met {b} at {event}.", "{pron} was carrying a certain {thing}.",
       "{who} was carrying a certain {thing}.", "Who was carrying the {thing}?"},
      {"{a} and {b} left {event} together.", "{pron} had forgotten a {thing} there.",
       "{who} had forgotten a {thing} there.", "Who had forgotten the {thing}?"},
      {"{a} talked with {b} during {event}.", "{pron} later bought the {thing} on display.",
       "{who} later bought the {thing} on display.", "Who bought the {thing}?"}};
  // Scenes need two people of one pronoun: men and women by turns.
  std::vector<std::string> women, men;
  for (const Person& person : make_people(rng, 64))
    (person.pronoun == "She" ? women : men).push_back(person.name);
  const auto events = drawn(rng, words::events(), kScenes);
  const auto things = drawn(rng, words::things(), kScenes);
  std::vector<Index> order = sample(rng, kScenes, kScenes);
  std::vector<Planted> planted;  // two sentences a scene
  std::vector<bool> open;
  for (std::size_t s = 0; s < static_cast<std::size_t>(kScenes); ++s) {
    const auto& names = s % 2 == 0 ? women : men;
    const Scene& scene = kSettingsOf[s % 3];
    open.push_back(order[s] < 5);  // five of nine cannot be known
    const Values values = {{"a", names[s]},
                           {"b", names[s + 9]},
                           {"event", events[s]},
                           {"pron", s % 2 == 0 ? "She" : "He"},
                           {"who", rng.below(2) == 0 ? names[s] : names[s + 9]},
                           {"thing", things[s]}};
    const double depth = (static_cast<double>(s) + rng.uniform()) / kScenes;
    planted.push_back({fill(scene.setting, values), depth});
    planted.push_back({fill(open.back() ? scene.open : scene.closed, values), depth});
  }
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  for (Index s = 0; s < kScenes; ++s) {
    const auto k = static_cast<std::size_t>(s);
    Item& item = add_item(document, request);
    item.question =
        fill(kSettingsOf[k % 3].question, {{"thing", things[k]}}).text +
        " Answer with the full name only, or with \"I don't know\" if the text does not "
        "say who it was.";
    const std::vector<std::string> both = {woven.reference(2 * s, "a").text,
                                           woven.reference(2 * s, "b").text};
    if (open[k]) {
      item.metric = Metric::abstain;
      item.distractors = both;
    } else {
      item.metric = Metric::token_f1;
      item.references = {woven.reference(2 * s + 1, "who")};
      item.distractors = others(both, item.references[0].text == both[0] ? 0 : 1);
    }
    item.support = {woven.places[static_cast<std::size_t>(2 * s)],
                    woven.places[static_cast<std::size_t>(2 * s + 1)]};
    item.tags = {{"answer_type", "Person"},
                 {"direction", "reverse"},
                 {"difficulty", "Manipulated"},
                 {"answerable", open[k] ? "0" : "1"},
                 {"depth", woven.depth(2 * s + 1)}};
  }
  return document;
}

Document make_hops(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kChains = 4, kAsked = 2, kLinks = 4;
  const auto people = make_people(rng, 2 * kChains);
  const auto firms = drawn(rng, words::firms(), kChains);
  const auto cities = drawn(rng, words::cities(), kChains);
  const auto creatures = drawn(rng, words::creatures(), kChains);
  const auto depths = scattered(rng, kChains * kLinks);
  std::vector<Planted> planted;  // chain c's links are sentences 4c to 4c + 3
  for (std::size_t c = 0; c < static_cast<std::size_t>(kChains); ++c) {
    const Values values = {{"tenant", people[2 * c].name},
                           {"owner", people[2 * c + 1].name},
                           {"firm", firms[c]},
                           {"city", cities[c]},
                           {"creature", creatures[c]}};
    for (const auto* form :
         {"The landlord of {tenant} is {owner}.", "{owner} works for {firm}.",
          "The seat of {firm} is in {city}.", "The coat of arms of {city} shows one {creature}."})
      planted.push_back({fill(form, values), depths[planted.size()]});
  }
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  for (Index c = 0; c < kAsked; ++c) {
    const Index s = 4 * c;
    const auto k = static_cast<std::size_t>(c);
    const std::string& tenant = people[2 * k].name;
    const std::string arms = fmt::format("the town whose coat of arms shows one {}", creatures[k]);
    const Question questions[] = {
        {fmt::format("Who is the landlord of {}?", tenant), {{s, "owner"}}, "Person"},
        {fmt::format("For which company does the landlord of {} work?", tenant),
         {{s + 1, "firm"}},
         "Organization",
         "forward",
         "Standard",
         {s}},
        {fmt::format("In which town is the seat of the company for which the landlord of {} works?",
                     tenant),
         {{s + 2, "city"}},
         "Location",
         "forward",
         "Standard",
         {s, s + 1}},
        {fmt::format("Which animal is on the coat of arms of the town where the company has its "
                     "seat for which the landlord of {} works?",
                     tenant),
         {{s + 3, "creature"}},
         "Creature",
         "forward",
         "Standard",
         {s, s + 1, s + 2}},
        {fmt::format("Which is {}?", arms), {{s + 3, "city"}}, "Location", "reverse"},
        {fmt::format("Which company has its seat in {}?", arms),
         {{s + 2, "firm"}},
         "Organization",
         "reverse",
         "Standard",
         {s + 3}},
        {fmt::format("Who works for the company that has its seat in {}?", arms),
         {{s + 1, "owner"}},
         "Person",
         "reverse",
         "Standard",
         {s + 3, s + 2}},
        {fmt::format("Whose landlord works for the company that has its seat in {}?", arms),
         {{s, "tenant"}},
         "Person",
         "reverse",
         "Standard",
         {s + 3, s + 2, s + 1}}};
    Index q = 0;
    for (const Question& question : questions) {
      Item& item = add_question(document, request, woven, question);
      item.tags["hops"] = std::to_string(q++ % 4 + 1);
    }
  }
  return document;
}

}  // namespace pith::eval::physics
