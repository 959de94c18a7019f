// The model's chat template around texts that are not known yet: rendered with stand-ins and cut at
// them. It tokenizes nothing; what the parts are for is prompt.h and conversation/turn_frame.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"

namespace pith {

// What the template puts in front of the first stand-in, between two, and behind the last, where
// the answer follows; nothing if it does not pass them through in their order. The messages hold
// the stand-ins; a system prompt that is not empty stands before them. The model must have a
// template.
std::optional<std::vector<std::string>> template_parts(const Engine& engine,
                                                       std::string_view system,
                                                       std::vector<Message> messages,
                                                       std::span<const std::string_view> stand_ins);

}  // namespace pith
