// The suite of "Physics of KV compression" (arXiv 2603.01426): seven tasks after its description,
// with templates of pith's own (the paper's are not public). Every passage is brought to its length
// with prose that states nothing about its people.
#include "eval/suites/physics.h"

#include <algorithm>
#include <set>

#include "eval/judge_text.h"

namespace pith::eval {
namespace physics {

namespace {

// What the same slots of other sentences say, each once: neither answers nor named by the question.
std::vector<std::string> others_of(const Woven& woven, const Question& question) {
  std::set<std::string> others;
  for (const auto& [sentence, slot] : question.answers)
    for (Index other = 0; other < std::ssize(woven.planted); ++other)
      for (const Slot& there : woven.planted[static_cast<std::size_t>(other)].slots)
        if (there.name == slot) others.insert(woven.reference(other, slot).text);
  for (const auto& [sentence, slot] : question.answers)
    others.erase(woven.reference(sentence, slot).text);
  std::erase_if(others, [&](const auto& text) { return contains_word(question.text, text); });
  return {others.begin(), others.end()};
}

}  // namespace

Item& add_question(Document& document, const Request& request, const Woven& woven,
                   const Question& question) {
  Item& item = add_item(document, request);
  item.question = question.text + " Answer with a word or a short phrase only.";
  Index latest = 0;
  for (const auto& [sentence, slot] : question.answers) {
    item.references.push_back(woven.reference(sentence, slot));
    latest = std::max(latest, sentence);
  }
  item.distractors = others_of(woven, question);
  item.metric = question.answers.size() > 1 ? Metric::contains_all : Metric::token_f1;
  for (const Index sentence : question.support)
    item.support.push_back(woven.places[static_cast<std::size_t>(sentence)]);
  item.tags = {{"answer_type", std::string(question.type)},
               {"direction", std::string(question.direction)},
               {"difficulty", std::string(question.difficulty)},
               {"depth", woven.depth(latest)}};
  return item;
}

namespace {

Document make(const Request& request) {
  if (request.task == "physics_base") return make_base(request);
  if (request.task == "physics_knowledge") return make_knowledge(request);
  if (request.task == "physics_presence") return make_presence(request);
  if (request.task == "physics_entities") return make_entities(request);
  if (request.task == "physics_long") return make_long(request);
  if (request.task == "physics_coreference") return make_coreference(request);
  return make_hops(request);
}

}  // namespace
}  // namespace physics

const Family& physics_family() {
  static const Family family = {
      {"physics",
       "seven tasks with answer types, difficulties, both directions and \"I don't know\" items",
       "arXiv 2603.01426, templates own",
       {"physics_base", "physics_knowledge", "physics_presence", "physics_entities", "physics_long",
        "physics_coreference", "physics_hops"}},
      physics::make};
  return family;
}

}  // namespace pith::eval
