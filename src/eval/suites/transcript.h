// Transcripts: conversations of many turns with questions about what was said in their middle, in
// the shape that S2 ("compress, then evict", V. Kalugotla) measured. A document's system prompt is
// turn 1, its text the turns from the second to the last; the last one stands for the request at
// hand and states nothing that is asked for. It knows no recipe and no tokens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/suites/family.h"

namespace pith::eval {

// Adds a turn to the document: a line that says who speaks, and the text. Returns where the text
// begins.
Index add_turn(Document& document, std::string_view role, std::string_view text);

// The transcript that is written out (text/transcript_agent.txt): a coding agent on a small web
// service. Its facts' values are drawn; its length is not.
enum class Written { small, twelve_turns, thirty_turns, whole };
Document written_transcript(const Request& request, Written part);

// Transcripts of other kinds, of any length: a support case, research notes, an operations log.
Document generated_transcript(const Request& request);

}  // namespace pith::eval
