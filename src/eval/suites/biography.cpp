#include "eval/suites/biography.h"

#include <set>

#include "base/error.h"

namespace pith::eval {
namespace {

using Forms = std::array<std::string_view, 5>;

// By trait. {name} is the full name in the first sentence and the pronoun later.
constexpr std::array<Forms, kTraits> kForms = {{
    {"{name} was born on {value}.", "{name} came into the world on {value}.",
     "The birthday of {name} is {value}.", "{name} entered life on {value}.",
     "On {value} {name} was born."},
    {"{name} was born in {value}.", "{name} is a native of {value}.",
     "The birthplace of {name} is {value}.", "{name} first saw daylight in {value}.",
     "{name} was a child of {value} by birth."},
    {"{name} studied at {value}.", "{name} took a degree at {value}.",
     "{name} was a student of {value}.", "{name} graduated from {value}.",
     "{value} is where {name} received an education."},
    {"{name} chose {value} as a field of study.", "{name} wrote a thesis in {value}.",
     "{name} read {value} as a student.", "The degree of {name} is in {value}.",
     "{name} took up the study of {value}."},
    {"{name} works for {value}.", "{name} is employed by {value}.",
     "{name} earns a living at {value}.", "{name} holds a post with {value}.",
     "The employer of {name} is {value}."},
    {"{name} goes to work in {value}.", "The workplace of {name} is in {value}.",
     "{name} has a desk in {value}.", "{name} spends the working week in {value}.",
     "Work has brought {name} to {value}."},
    {"{name} is married to {value}.", "{name} married {value}.", "The spouse of {name} is {value}.",
     "{name} shares a home and a marriage with {value}.", "{name} exchanged rings with {value}."},
    {"{name} keeps {value}.", "{name} owns {value}.", "{name} looks after {value}.",
     "At home {name} has {value}.", "{name} shares the house with {value}."},
    {"{name} plays the {value}.", "{name} practises the {value}.",
     "{name} has mastered the {value}.", "The instrument of {name} is the {value}.",
     "{name} performs on the {value}."},
    {"{name} won {value}.", "{name} was honoured with {value}.", "{name} received {value}.",
     "{value} went to {name}.", "A jury gave {name} {value}."},
    {"The honour came in {value}.", "That prize was handed over in {value}.",
     "The ceremony took place in {value}.", "This distinction dates from {value}.",
     "The prize-giving was held in {value}."},
    {"{name} enjoys {value}.", "{name} spends free days on {value}.",
     "The hobby of {name} is {value}.", "{name} relaxes with {value}.",
     "{name} is devoted to {value}."},
    {"{name} cheers for {value}.", "{name} supports {value}.",
     "The favourite team of {name} is {value}.", "{name} never misses a match of {value}.",
     "{name} holds a season ticket of {value}."},
}};

std::string pet(Rng& rng, std::set<std::string>& used) {
  for (;;) {
    std::string text =
        fmt::format("a {} called {}", pick(rng, words::creatures()), pick(rng, words::pet_names()));
    if (text[2] == 'a' || text[2] == 'e' || text[2] == 'i' || text[2] == 'o')
      text.replace(0, 1, "an");
    // Names of pets run out: later ones carry a second name.
    if (used.count(text) != 0) text += ' ' + std::string(pick(rng, words::pet_names()));
    if (used.insert(text).second) return text;
  }
}

void write(Rng& rng, Biography& biography) {
  std::vector<Index> order;  // birth first, the year of a prize after the prize
  for (Index trait = 1; trait < kTraits; ++trait)
    if (static_cast<Trait>(trait) != Trait::award_year) order.push_back(trait);
  shuffle(rng, order);
  order.insert(order.begin(), 0);
  for (auto at = order.begin(); at != order.end(); ++at)
    if (static_cast<Trait>(*at) == Trait::award) {
      order.insert(at + 1, static_cast<Index>(Trait::award_year));
      break;
    }
  for (const Index trait : order) {
    const auto k = static_cast<std::size_t>(trait);
    // A pronoun stands where it is a subject at the beginning; elsewhere the name is repeated.
    std::string form(pick(rng, kForms[k]));
    const bool pronoun = !biography.sentences.empty() && form.substr(0, 6) == "{name}";
    std::string value = biography.values[k];
    if (form.substr(0, 7) == "{value}" && value[0] == 't') {
      form = "It is a fact that " + form;  // "the ..." must stay as it is asked for
    }
    biography.sentence_of[k] = static_cast<Index>(biography.sentences.size());
    biography.sentences.push_back(fill(
        form,
        {{"name", pronoun ? biography.person.pronoun : biography.person.name}, {"value", value}}));
  }
}

}  // namespace

std::vector<Biography> make_biographies(Rng& rng, Index n, bool marry) {
  const auto people = make_people(rng, marry ? n : 2 * n);
  std::set<std::string> pets, prizes;
  std::vector<Biography> biographies;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    Biography biography;
    biography.person = people[i];
    biography.birth_year = between(rng, 1931, 1994);
    const auto set = [&](Trait trait, std::string value) {
      biography.values[static_cast<std::size_t>(trait)] = std::move(value);
    };
    set(Trait::birth_date, fmt::format("{} {} {}", between(rng, 1, 28), pick(rng, words::months()),
                                       biography.birth_year));
    const auto cities = sample_words(rng, words::cities(), 2);
    set(Trait::birth_city, cities[0]);
    set(Trait::university, std::string(pick(rng, words::universities())));
    set(Trait::major, std::string(pick(rng, words::majors())));
    set(Trait::employer, std::string(pick(rng, words::firms())));
    set(Trait::work_city, cities[1]);
    const auto count = static_cast<std::size_t>(n);
    set(Trait::spouse, marry ? people[(i + 1) % count].name : people[count + i].name);
    set(Trait::pet, pet(rng, pets));
    set(Trait::instrument, std::string(pick(rng, words::instruments())));
    std::string award, year;
    do {
      award = pick(rng, words::awards());
      year = std::to_string(between(rng, 1950, 2024));
    } while (prizes.size() < 1000 && !prizes.insert(award + year).second);
    set(Trait::award, award);
    set(Trait::award_year, year);
    set(Trait::hobby, std::string(pick(rng, words::hobbies())));
    set(Trait::team, std::string(pick(rng, words::teams())));
    write(rng, biography);
    biographies.push_back(std::move(biography));
  }
  return biographies;
}

std::string_view answer_type(Trait trait) {
  switch (trait) {
    case Trait::birth_date:
    case Trait::award_year:
      return "Date/Time";
    case Trait::birth_city:
    case Trait::work_city:
      return "Location";
    case Trait::university:
    case Trait::employer:
    case Trait::team:
      return "Organization";
    case Trait::spouse:
      return "Person";
    case Trait::pet:
      return "Creature";
    case Trait::award:
      return "Event";
    case Trait::major:
    case Trait::instrument:
    case Trait::hobby:
      return "Thing";
  }
  return "Thing";
}

std::string forward_question(const Biography& of, Trait trait) {
  const auto& name = of.person.name;
  switch (trait) {
    case Trait::birth_date:
      return fmt::format("On which date was {} born?", name);
    case Trait::birth_city:
      return fmt::format("In which town was {} born?", name);
    case Trait::university:
      return fmt::format("Where did {} study?", name);
    case Trait::major:
      return fmt::format("Which subject did {} study?", name);
    case Trait::employer:
      return fmt::format("Which company employs {}?", name);
    case Trait::work_city:
      return fmt::format("In which town does {} work?", name);
    case Trait::spouse:
      return fmt::format("To whom is {} married?", name);
    case Trait::pet:
      return fmt::format("Which animal does {} keep, and what is it called?", name);
    case Trait::instrument:
      return fmt::format("Which instrument does {} play?", name);
    case Trait::award:
      return fmt::format("Which prize did {} win?", name);
    case Trait::award_year:
      return fmt::format("In which year did {} win a prize?", name);
    case Trait::hobby:
      return fmt::format("What is the hobby of {}?", name);
    case Trait::team:
      return fmt::format("Which team does {} support?", name);
  }
  return {};
}

}  // namespace pith::eval
