// Generated transcripts: twelve facts in the five long turns of a conversation, among filler, with
// the shares of S2's turn lengths. Short turns between them say nothing.

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "eval/suites/transcript.h"
#include "eval/text/prose.h"

namespace pith::eval {
namespace {

enum class Value { person, city, firm, month, color, animal, number, code, host };

struct Fact {
  std::string_view form, question, prefix;  // the form's slot is {v}
  Value value;
};

constexpr Index kFacts = 12, kTurns = 11;  // turns 2 to 12

struct Kind {
  std::string_view task, system;
  std::array<Fact, kFacts> facts;
  std::array<std::string_view, 2> roles;   // of even and odd turns
  std::array<std::string_view, 6> shorts;  // turns 3, 5, 7, 9, 11 and the last
  bool log;                                // filler is lines of a log, not prose
};

const std::array<Kind, 3>& kinds() {
  using enum Value;
  static const std::array<Kind, 3> all = {{
      {"transcript_support",
       "You are a patient agent of a support desk and answer from the conversation.",
       {{{"The serial number on the back of the unit is {v}.",
          "What is the serial number of the unit?", "The serial number of the unit is", number},
         {"The order was placed by {v}.", "Who placed the order?", "The order was placed by",
          person},
         {"The unit was shipped to {v}.", "To which town was the unit shipped?",
          "The unit was shipped to", city},
         {"The number of the ticket is {v}.", "What is the number of the ticket?",
          "The number of the ticket is", number},
         {"The firmware on the unit is build {v}.", "Which build is the firmware on the unit?",
          "The firmware on the unit is build", number},
         {"The fault first appeared in {v}.", "In which month did the fault first appear?",
          "The fault first appeared in", month},
         {"The lamp on the front blinks {v}.", "In which colour does the lamp on the front blink?",
          "The lamp on the front blinks", color},
         {"The part that must be replaced is called the {v} board.",
          "What is the board called that must be replaced?",
          "The part that must be replaced is called the", animal},
         {"The technician who will call back is {v}.", "Which technician will call back?",
          "The technician who will call back is", person},
         {"The reference for the refund is {v}.", "What is the reference for the refund?",
          "The reference for the refund is", code},
         {"The invoice was issued by {v}.", "Which firm issued the invoice?",
          "The invoice was issued by", firm},
         {"The old unit must be sent to the depot in {v}.",
          "In which town is the depot to which the old unit must be sent?",
          "The old unit must be sent to the depot in", city}}},
       {"user", "assistant"},
       {"Thank you. I have noted all of that. Please go on.",
        "Understood, and what does the label say?", "I see. Is there anything else on it?",
        "That helps. Did anybody look at it before?", "I have it all now.",
        "Good. Let me put together what we know so far and then answer your next question from it, "
        "step by step and without guessing."},
       false},
      {"transcript_research",
       "You keep the notes of a research group and answer from the conversation.",
       {{{"The samples were collected near {v}.", "Near which town were the samples collected?",
          "The samples were collected near", city},
         {"The interviews were led by {v}.", "Who led the interviews?",
          "The interviews were led by", person},
         {"The instrument was calibrated with standard {v}.",
          "With which standard was the instrument calibrated?",
          "The instrument was calibrated with standard", number},
         {"The grant is paid by {v}.", "Who pays the grant?", "The grant is paid by", firm},
         {"The pilot study took place in {v}.", "In which month did the pilot study take place?",
          "The pilot study took place in", month},
         {"The control group wore {v} badges.", "Which colour were the control group's badges?",
          "The colour of the control group's badges was", color},
         {"The freezer with the samples has the number {v}.",
          "What is the number of the freezer with the samples?",
          "The freezer with the samples has the number", number},
         {"The side project is called {v}.", "What is the side project called?",
          "The side project is called", animal},
         {"The statistician of the group is {v}.", "Who is the statistician of the group?",
          "The statistician of the group is", person},
         {"The data set is stored under the name {v}.", "Under which name is the data set stored?",
          "The data set is stored under the name", code},
         {"The second cohort will be recruited in {v}.",
          "In which town will the second cohort be recruited?",
          "The second cohort will be recruited in", city},
         {"The protocol was registered under {v}.",
          "Under which number was the protocol registered?", "The protocol was registered under",
          number}}},
       {"user", "assistant"},
       {"Noted. Please go on with the next page.", "Written down, and the next one?",
        "That is in the notes now.", "I have added it. What did the last meeting decide?",
        "All of it is noted.",
        "The notes are complete up to here. I will go through them once more before I answer, so "
        "that nothing is taken from memory alone."},
       false},
      {"transcript_operations",
       "You are the assistant of an operations team and answer from the conversation.",
       {{{"The incident began on host {v}.", "On which host did the incident begin?",
          "The incident began on host", host},
         {"The primary database was moved to {v}.", "To which site was the primary database moved?",
          "The primary database was moved to", city},
         {"The engineer on call is {v}.", "Who is the engineer on call?", "The engineer on call is",
          person},
         {"The tag for the rollback is {v}.", "What is the tag for the rollback?",
          "The tag for the rollback is", code},
         {"At its peak the queue held {v} messages.",
          "How many messages did the queue hold at its peak?", "At its peak the queue held",
          number},
         {"The certificate that expired belonged to {v}.",
          "To which firm did the certificate belong that expired?",
          "The certificate that expired belonged to", firm},
         {"The alert goes to the {v} channel.", "To which channel does the alert go?",
          "The alert goes to the channel called", color},
         {"The vendor opened case {v}.", "Which case did the vendor open?",
          "The vendor opened case", number},
         {"The next maintenance is planned for {v}.",
          "For which month is the next maintenance planned?", "The next maintenance is planned for",
          month},
         {"The cluster that failed over is called {v}.",
          "What is the cluster called that failed over?", "The cluster that failed over is called",
          animal},
         {"The backup that was restored has the number {v}.",
          "What is the number of the backup that was restored?",
          "The backup that was restored has the number", number},
         {"The report is written by {v}.", "Who writes the report?", "The report is written by",
          person}}},
       {"user", "assistant"},
       {"[tool_use Run] {\"command\": \"tail journal\"}",
        "[tool_use Run] {\"command\": \"uptime\"}", "[tool_use Run] {\"command\": \"df\"}",
        "[tool_use Run] {\"command\": \"history\"}", "[tool_use Run] {\"command\": \"who\"}",
        "Nothing more is running. I will now answer from what the commands above printed and from "
        "what you wrote between them."},
       true},
  }};
  return all;
}

// S2's lengths of turns 2, 4, 6, 8 and 10, summed and divided by their sum.
constexpr std::array<double, 6> kShares = {0, 0.398, 0.465, 0.515, 0.579, 1};
constexpr std::array<Index, 6> kFactsBefore = {0, 5, 6, 7, 8, 12};  // in the same turns

std::vector<std::string> draw_values(Rng& rng, const Kind& kind) {
  const auto people = make_people(rng, 4);
  const auto cities = sample_words(rng, words::cities(), 4);
  const auto firms = sample_words(rng, words::firms(), 4);
  const auto months = sample_words(rng, words::months(), 4);
  const auto codes = make_codes(rng, 4);
  const auto colors = sample_words(rng, words::colors(), 2);
  const auto animals = sample_words(rng, words::animals(), 4);
  std::array<std::size_t, 9> used{};
  std::vector<std::string> values;
  for (const Fact& fact : kind.facts) {
    const std::size_t i = used[static_cast<std::size_t>(fact.value)]++;
    switch (fact.value) {
      case Value::person:
        values.push_back(people[i].name);
        break;
      case Value::city:
        values.push_back(cities[i]);
        break;
      case Value::firm:
        values.push_back(firms[i]);
        break;
      case Value::month:
        values.push_back(months[i]);
        break;
      case Value::color:
        values.push_back(colors[i]);
        break;
      case Value::animal:
        values.push_back(animals[i]);
        break;
      case Value::number:
        values.push_back(number(rng, 5));
        break;
      case Value::code:
        values.push_back(codes[i]);
        break;
      case Value::host:
        values.push_back(animals[3 - i] + '-' + number(rng, 2));
        break;
    }
  }
  return values;
}

std::string log_line(Rng& rng, Index i) {
  static constexpr std::array<std::string_view, 6> kParts = {"gateway", "scheduler", "worker",
                                                             "indexer", "mailer",    "proxy"};
  static constexpr std::array<std::string_view, 5> kDid = {"finished", "retried", "accepted",
                                                           "queued", "dropped"};
  return fmt::format("{:02}:{:02}:{:02} {}-{} {} job {} after {} ms", i / 60 % 24, i % 60,
                     between(rng, 0, 59), pick(rng, kParts), letters(rng, 2), pick(rng, kDid),
                     number(rng, 4), number(rng, 3));
}

}  // namespace

Document generated_transcript(const Request& request) {
  const auto found = std::find_if(kinds().begin(), kinds().end(),
                                  [&](const Kind& kind) { return kind.task == request.task; });
  PITH_CHECK(found != kinds().end(), std::string(request.task));
  const Kind& kind = *found;
  Rng rng = request.rng();
  const std::vector<std::string> values = draw_values(rng, kind);
  std::vector<double> depths;  // of the facts within their turns
  for (Index i = 0; i < kFacts; ++i) depths.push_back(rng.uniform());
  Prose prose(Rng(rng.next()));
  Rng log_rng(rng.next());
  std::vector<std::string> filler;
  std::vector<TextSpan> places;
  const auto build = [&](Index n) {
    while (std::ssize(filler) < n)
      filler.push_back(kind.log ? log_line(log_rng, std::ssize(filler)) : prose.next());
    Document document = new_document(request);
    document.system = kind.system;
    places.assign(kFacts, {});
    for (Index turn = 0; turn < kTurns; ++turn) {
      const auto half = static_cast<std::size_t>(turn / 2);
      const auto role = kind.roles[static_cast<std::size_t>(turn % 2)];
      if (turn % 2 == 1 || turn == kTurns - 1) {
        add_turn(document, role, kind.shorts[half]);
        continue;
      }
      const auto first = static_cast<Index>(std::llround(kShares[half] * static_cast<double>(n)));
      const auto last =
          static_cast<Index>(std::llround(kShares[half + 1] * static_cast<double>(n)));
      std::string text;
      const auto say = [&](std::string_view sentence) {
        if (!text.empty()) text += kind.log ? '\n' : ' ';
        text += sentence;
      };
      std::vector<std::pair<Index, TextSpan>> said;
      for (Index i = first; i <= last; ++i) {
        for (Index f = kFactsBefore[half]; f < kFactsBefore[half + 1]; ++f) {
          const auto at = first + static_cast<Index>(depths[static_cast<std::size_t>(f)] *
                                                     static_cast<double>(last - first));
          if (at != i) continue;
          const Sentence sentence = fill(kind.facts[static_cast<std::size_t>(f)].form,
                                         {{"v", values[static_cast<std::size_t>(f)]}});
          say(sentence.text);
          const Index begin = std::ssize(text) - std::ssize(sentence.text);
          said.push_back(
              {f, {begin + sentence.slots[0].span.begin, begin + sentence.slots[0].span.end}});
        }
        if (i < last) say(filler[static_cast<std::size_t>(i)]);
      }
      const Index begin = add_turn(document, role, text);
      for (const auto& [f, span] : said)
        places[static_cast<std::size_t>(f)] = {begin + span.begin, begin + span.end};
    }
    return document;
  };
  const Index n = fit_units(0, request.length(), "the facts and turns",
                            [&](Index units) { return build(units).text; });
  Document document = build(n);
  for (std::size_t f = 0; f < static_cast<std::size_t>(kFacts); ++f) {
    Item& item = add_item(document, request);
    item.question = kind.facts[f].question;
    item.answer_prefix = kind.facts[f].prefix;
    item.references = {{values[f], {places[f]}}};
    item.metric = Metric::keywords;
    item.max_tokens = 24;
    item.tags = {{"depth", percent(static_cast<double>(places[f].begin) /
                                   static_cast<double>(document.text.size()))}};
  }
  return document;
}

}  // namespace pith::eval
