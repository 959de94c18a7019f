#include "eval/suites/transcript.h"

namespace pith::eval {
namespace {

Document make(const Request& request) {
  if (request.task == "transcript_agent") return written_transcript(request, Written::twelve_turns);
  if (request.task == "transcript_agent_small") return written_transcript(request, Written::small);
  if (request.task == "transcript_agent_30")
    return written_transcript(request, Written::thirty_turns);
  if (request.task == "transcript_agent_57") return written_transcript(request, Written::whole);
  return generated_transcript(request);
}

}  // namespace

Index add_turn(Document& document, std::string_view role, std::string_view text) {
  document.turns.push_back(std::ssize(document.text));
  document.text += fmt::format("=== TURN {} ({}) ===\n", document.turns.size() + 1, role);
  const Index begin = std::ssize(document.text);
  document.text += text;
  document.text += '\n';
  return begin;
}

const Family& transcript_family() {
  static const Family family = {
      {"transcript",
       "conversations of many turns: a written one of fixed length (12 turns, a quarter of them, "
       "30, 57) and generated ones",
       "own, in the shape of Kalugotla 2026 (S2)",
       {"transcript_agent", "transcript_agent_small", "transcript_agent_30", "transcript_agent_57",
        "transcript_support", "transcript_research", "transcript_operations"}},
      make};
  return family;
}

}  // namespace pith::eval
