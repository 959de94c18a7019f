// The written transcript: reads the script, draws its values, and asks what the chosen part of it
// states.
//
//     @slots   name = value | value ...    the values that a fact can have
//     @turn ROLE                           lines of a turn: ' ' in both sizes, '+' in the large
//                                          one only, '-' in the small one only
//     @facts   question | beginning of the answer | {{slot}} & {{slot}} & !words ...
//              where "!words" must not be claimed by the answer

#include <map>

#include "base/error.h"
#include "eval/suites/transcript.h"
#include "eval/text/transcript_text.h"

namespace pith::eval {
namespace {

using Slots = std::map<std::string, std::string, std::less<>>;

struct Script {
  std::vector<std::pair<std::string, std::vector<std::string>>> slots;
  struct Turn {
    std::string role;
    std::vector<std::string> lines;
  };
  std::vector<Turn> turns;
  std::vector<std::vector<std::string>> facts;  // question, beginning of the answer, slots
};

std::vector<std::string> split(std::string_view text, std::string_view by) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(by, at), text.size());
    parts.emplace_back(text.substr(at, end - at));
    at = end + by.size();
  }
  return parts;
}

Script read_script(std::string_view text) {
  Script script;
  std::string_view part;
  for (const std::string& line : split(text, "\n")) {
    const std::string_view view = line;
    if (view.substr(0, 1) == "@") {
      part = view.substr(0, 6) == "@slots" ? "slots" : view == "@facts" ? "facts" : "turn";
      if (part == "turn") script.turns.push_back({line.substr(6), {}});
    } else if (line.empty()) {
      continue;
    } else if (part == "slots") {
      const auto sides = split(line, " = ");
      script.slots.emplace_back(sides[0], split(sides[1], " | "));
    } else if (part == "turn") {
      script.turns.back().lines.push_back(line);
    } else {
      script.facts.push_back(split(line, " | "));
    }
  }
  return script;
}

const Script& script() {
  static const Script read = read_script(kTranscriptAgent);
  return read;
}

Slots draw(Rng& rng) {
  Slots values;
  for (const auto& [name, choices] : script().slots) values[name] = pick(rng, choices);
  return values;
}

// Calls on_text for what stands between slots and on_slot for each of them.
template <typename OnText, typename OnSlot>
void walk(std::string_view text, const OnText& on_text, const OnSlot& on_slot) {
  std::size_t at = 0;
  for (std::size_t open; (open = text.find("{{", at)) != std::string_view::npos;) {
    const std::size_t close = text.find("}}", open);
    on_text(text.substr(at, open - at));
    on_slot(text.substr(open + 2, close - open - 2));
    at = close + 2;
  }
  on_text(text.substr(at));
}

const std::string& value_of(const Slots& values, std::string_view name) {
  const auto found = values.find(name);
  PITH_CHECK(found != values.end(), std::string(name));
  return found->second;
}

std::string lines_of(const Script::Turn& turn, bool small) {
  std::string text;
  for (const std::string& line : turn.lines)
    if (line[0] == ' ' || line[0] == (small ? '-' : '+'))
      text += (text.empty() ? "" : "\n") + line.substr(1);
  return text;
}

std::string filled(std::string_view text, const Slots& values) {
  std::string out;
  walk(
      text, [&](std::string_view plain) { out += plain; },
      [&](std::string_view slot) { out += value_of(values, slot); });
  return out;
}

}  // namespace

Document written_transcript(const Request& request, Written part) {
  // Both sizes of a document have the same values.
  Rng rng = stream(request.options.seed, "transcript_agent", request.index);
  const Slots values = draw(rng);
  const bool small = part == Written::small;
  const std::size_t count = part == Written::whole          ? script().turns.size()
                            : part == Written::thirty_turns ? 30
                                                            : 12;
  Document document = new_document(request);
  document.system = filled(lines_of(script().turns.front(), small), values);

  std::map<std::string, std::vector<TextSpan>, std::less<>> places;  // in all but the last turn
  for (std::size_t i = 1; i < count; ++i) {
    const std::string form = lines_of(script().turns[i], small);
    Index at = add_turn(document, script().turns[i].role, filled(form, values));
    walk(
        form, [&](std::string_view plain) { at += std::ssize(plain); },
        [&](std::string_view slot) {
          const Index end = at + std::ssize(value_of(values, slot));
          if (i + 1 < count) places[std::string(slot)].push_back({at, end});
          at = end;
        });
  }
  for (const auto& fact : script().facts) {
    Item item;
    item.question = fact[0];
    item.answer_prefix = fact[1];
    bool stated = true;
    for (const std::string& keyword : split(fact[2], " & ")) {
      if (keyword[0] == '!') {
        item.forbidden.push_back(keyword.substr(1));
        continue;
      }
      const std::string slot = keyword.substr(2, keyword.size() - 4);
      stated &= places.count(slot) != 0;
      item.references.push_back({value_of(values, slot), places[slot]});
    }
    if (!stated) continue;
    const auto& place = item.references.front().spans.front();
    Item& added = add_item(document, request);
    item.id = added.id;
    item.task = added.task;
    item.metric = Metric::keywords;
    item.max_tokens = 32;
    item.tags = {{"depth", percent(static_cast<double>(place.begin) /
                                   static_cast<double>(document.text.size()))}};
    added = std::move(item);
  }
  return document;
}

}  // namespace pith::eval
