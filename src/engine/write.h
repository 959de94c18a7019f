// The loop of generate() (generate.h) with another way of reading what was generated: for
// schedules, which compress in between.
#pragma once

#include "engine/generate.h"

namespace pith {

Generated write(Context& context, const GenerateOptions& options, const OnText& on_text,
                const std::function<void(Token)>& read);

}  // namespace pith
