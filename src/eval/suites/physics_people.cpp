// Physics tasks about single people: Base (one subject, tightly bound attributes), Knowledge
// manipulation (biographies), Multi presence (one name, several people).
#include <algorithm>

#include "eval/suites/biography.h"
#include "eval/suites/physics.h"

namespace pith::eval::physics {

Document make_base(const Request& request) {
  Rng rng = request.rng();
  const Person person = make_people(rng, 1)[0];
  const std::string date = fmt::format("{} {} {}", between(rng, 1, 28), pick(rng, words::months()),
                                       between(rng, 1931, 1994));
  const Values values = {{"name", person.name},
                         {"pron", person.pronoun},
                         {"role", std::string(pick(rng, words::roles()))},
                         {"city", std::string(pick(rng, words::cities()))},
                         {"date", date},
                         {"creature", std::string(pick(rng, words::creatures()))},
                         {"pet", std::string(pick(rng, words::pet_names()))},
                         {"firm", std::string(pick(rng, words::firms()))},
                         {"number", number(rng, 2)},
                         {"things", std::string(pick(rng, words::things())) + "s"},
                         {"event", std::string(pick(rng, words::events()))}};
  const double depth = even_depth(request.index);
  std::vector<Planted> planted;
  for (const auto* form :
       {"{name} comes from {city} and trained as the {role} of the family.",
        "{pron} was born on {date}.", "{pron} keeps one {creature} by the name of {pet}.",
        "{pron} works for {firm}.", "{pron} owns {number} {things}.",
        "{pron} gave the opening speech at {event}."})
    planted.push_back({fill(form, values), depth});
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const auto of = [&](std::string_view name) {
    return std::find_if(values.begin(), values.end(),
                        [&](const auto& v) { return v.first == name; })
        ->second;
  };
  const std::vector<Question> forward = {
      {fmt::format("From which town does {} come?", person.name), {{0, "city"}}, "Location"},
      {fmt::format("When was {} born?", person.name),
       {{1, "date"}},
       "Date/Time",
       "forward",
       "Standard",
       {0}},
      {fmt::format("Which kind of animal does {} keep?", person.name),
       {{2, "creature"}},
       "Creature",
       "forward",
       "Standard",
       {0}},
      {fmt::format("For which company does {} work?", person.name),
       {{3, "firm"}},
       "Organization",
       "forward",
       "Standard",
       {0}},
      {fmt::format("How many {} does {} own?", of("things"), person.name),
       {{4, "number"}},
       "Numerals",
       "forward",
       "Standard",
       {0}},
      {fmt::format("At which event did {} give the opening speech?", person.name),
       {{5, "event"}},
       "Event",
       "forward",
       "Standard",
       {0}}};
  const std::vector<std::pair<std::string, Index>> reverse = {
      {fmt::format("Who comes from {}?", of("city")), 0},
      {fmt::format("Who was born on {}?", of("date")), 1},
      {fmt::format("Who keeps an animal by the name of {}?", of("pet")), 2},
      {fmt::format("Who works for {}?", of("firm")), 3},
      {fmt::format("Who owns {} {}?", of("number"), of("things")), 4},
      {fmt::format("Who gave the opening speech at {}?", of("event")), 5}};
  for (const Index i : sample(rng, 6, 3))
    add_question(document, request, woven, forward[static_cast<std::size_t>(i)]);
  for (const Index i : sample(rng, 6, 3)) {
    const auto& [text, sentence] = reverse[static_cast<std::size_t>(i)];
    add_question(document, request, woven,
                 {text, {{0, "name"}}, "Person", "reverse", "Standard", {sentence}});
  }
  return document;
}

namespace {

constexpr Index kKnowledgeQuestions = 13;

// The sentences of biography b start at planted sentence b * kTraits.
Question about(const Biography& biography, Index b, Trait trait) {
  return {forward_question(biography, trait),
          {{b * kTraits + biography.sentence(trait), "value"}},
          answer_type(trait),
          "forward",
          "Standard",
          {b * kTraits}};
}

Question who(const Biography& biography, Index b, Index kind) {
  constexpr Trait kTrait[] = {Trait::spouse, Trait::pet, Trait::award_year};
  const Trait trait = kTrait[kind];
  const std::string text =
      kind == 0 ? fmt::format("Who is married to {}?", biography.value(trait))
      : kind == 1
          ? fmt::format("Who has {}?", biography.value(trait))
          : fmt::format("Who won {} in {}?", biography.value(Trait::award), biography.value(trait));
  return {text,       {{b * kTraits, "name"}},
          "Person",   "reverse",
          "Standard", {b * kTraits + biography.sentence(trait)}};
}

}  // namespace

Document make_knowledge(const Request& request) {
  Rng rng = request.rng();
  // About six sevenths of the text; prose brings the document to its length.
  Rng trial(1);
  std::string one;
  const Biography typical = make_biographies(trial, 1)[0];
  for (const auto& sentence : typical.sentences) one += sentence.text + ' ';
  const Index n = std::clamp<Index>(request.options.tokens * 6 / (7 * request.count(one)), 1, 1500);
  const auto biographies = make_biographies(rng, n);
  std::vector<Planted> planted;
  for (Index b = 0; b < n; ++b)
    for (const auto& sentence : biographies[static_cast<std::size_t>(b)].sentences)
      planted.push_back({sentence, (static_cast<double>(b) + 0.5) / static_cast<double>(n)});
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const auto traits = sample(rng, kTraits, 7);
  for (Index q = 0; q < kKnowledgeQuestions; ++q) {
    const Index b = (q * n + rng.below(n)) / kKnowledgeQuestions;  // spread over the document
    const Biography& biography = biographies[static_cast<std::size_t>(b)];
    const auto& name = biography.person.name;
    if (q < 7) {
      add_question(document, request, woven,
                   about(biography, b, static_cast<Trait>(traits[static_cast<std::size_t>(q)])));
    } else if (q < 10) {
      add_question(document, request, woven, who(biography, b, q - 7));
    } else if (q < 12) {
      const Index year = biography.birth_year, limit = 1960;
      const bool decade = q == 10;
      Question question = about(biography, b, Trait::birth_date);
      question.difficulty = "Manipulated";
      question.text = decade ? fmt::format("In which decade was {} born?", name)
                             : fmt::format("Was {} born before {}, yes or no?", name, limit);
      Item& item = add_question(document, request, woven, question);
      item.support.push_back(item.references[0].spans[0]);
      item.references = {{decade         ? fmt::format("{}s", year / 10 * 10)
                          : year < limit ? "yes"
                                         : "no",
                          {}}};
    } else {
      Question question = about(biography, b, Trait::birth_city);
      question.answers.emplace_back(b * kTraits + biography.sentence(Trait::work_city), "value");
      question.difficulty = "Part";
      question.text = fmt::format("In which town was {} born, and in which town does {} work now?",
                                  name, biography.person.pronoun == "He" ? "he" : "she");
      add_question(document, request, woven, question);
    }
  }
  return document;
}

Document make_presence(const Request& request) {
  Rng rng = request.rng();
  constexpr Index kInstances = 4;
  const Person person = make_people(rng, 1)[0];
  const auto events = sample_words(rng, words::events(), kInstances);
  const auto roles = sample_words(rng, words::roles(), kInstances);
  const auto cities = sample_words(rng, words::cities(), kInstances);
  const auto creatures = sample_words(rng, words::creatures(), kInstances);
  auto things = sample_words(rng, words::things(), kInstances);
  for (auto& thing : things) thing += 's';
  std::vector<Planted> planted;
  for (std::size_t i = 0; i < static_cast<std::size_t>(kInstances); ++i)
    planted.push_back(
        {fill("The {name} who attended {event} lives in {city}, earns a living as {role}, keeps "
              "one {creature} and owns {number} {things}.",
              {{"name", person.name},
               {"event", events[i]},
               {"city", cities[i]},
               {"role", roles[i]},
               {"creature", creatures[i]},
               {"number", number(rng, 2)},
               {"things", things[i]}}),
         (static_cast<double>(i) + rng.uniform()) / kInstances});
  const Woven woven = weave(planted, prose_filler(Rng(rng.next())), request.length(), rng);
  Document document = new_document(request);
  document.text = woven.text;
  const auto places = sample(rng, 10, 10);
  for (Index q = 0; q < 10; ++q) {
    const Index i = places[static_cast<std::size_t>(q)] % kInstances;
    const auto k = static_cast<std::size_t>(i);
    const std::string which = fmt::format("the {} who attended {}", person.name, events[k]);
    const Question questions[] = {
        {fmt::format("Where does {} live?", which), {{i, "city"}}, "Location"},
        {fmt::format("What is the occupation of {}?", which), {{i, "role"}}, "Thing"},
        {fmt::format("Which kind of animal does {} keep?", which), {{i, "creature"}}, "Creature"},
        {fmt::format("How many {} does {} own?", things[k], which), {{i, "number"}}, "Numerals"},
        {fmt::format("What does {} own {} of?", which, woven.reference(i, "number").text),
         {{i, "things"}},
         "Thing"},
        {fmt::format("Which event did the {} attend who lives in {}?", person.name, cities[k]),
         {{i, "event"}},
         "Event",
         "reverse"},
        {fmt::format("Which event did the {} attend who keeps one {}?", person.name, creatures[k]),
         {{i, "event"}},
         "Event",
         "reverse"},
        {fmt::format("Where does the {} live who owns {}?", person.name, things[k]),
         {{i, "city"}},
         "Location",
         "reverse"},
        {fmt::format("What is the occupation of the {} from {}?", person.name, cities[k]),
         {{i, "role"}},
         "Thing",
         "reverse"},
        {fmt::format("Which event did the {} attend whose occupation is {}?", person.name,
                     roles[k]),
         {{i, "event"}},
         "Event",
         "reverse"}};
    add_question(document, request, woven, questions[q]);
  }
  return document;
}

}  // namespace pith::eval::physics
