// Parts shared by the seven tasks of the physics suite. It holds no task.
#pragma once

#include "eval/suites/family.h"

namespace pith::eval::physics {

Document make_base(const Request& request);
Document make_knowledge(const Request& request);
Document make_presence(const Request& request);
Document make_entities(const Request& request);
Document make_long(const Request& request);
Document make_coreference(const Request& request);
Document make_hops(const Request& request);

// A question about planted sentences, tagged as S1 tags them.
struct Question {
  std::string text;
  std::vector<std::pair<Index, std::string_view>> answers;  // (sentence, slot)
  std::string_view type;                     // Person, Thing, Organization, Creature, Location, ...
  std::string_view direction = "forward";    // reverse: from the attribute to its owner
  std::string_view difficulty = "Standard";  // Manipulated: transformed; Part: from several places
  std::vector<Index> support = {};           // sentences needed besides those of the answers
};

// Several answers are wanted all; a single one is scored by F1. What other sentences say in the
// same slots are its distractors.
Item& add_question(Document& document, const Request& request, const Woven& woven,
                   const Question& question);

}  // namespace pith::eval::physics
