// The written transcript's script, embedded from transcript_agent.txt. How it is read is
// suites/transcript_written.cpp's business.
#pragma once

#include <string_view>

namespace pith::eval {

extern const std::string_view kTranscriptAgent;

}  // namespace pith::eval
