// pith in C++: reads a document with a language model, makes its KV cache smaller by a recipe, and
// answers from what is left. This header includes the others; docs/cpp.md begins with a program.
// Nothing here shows how: no type of another library, no SIMD.
#pragma once

#include <string_view>

#include "pith/answer.h"
#include "pith/context.h"
#include "pith/conversation.h"
#include "pith/engine.h"
#include "pith/error.h"
#include "pith/export.h"
#include "pith/progress.h"

namespace pithkv {

PITH_API std::string_view version();  // of the library: "0.1.0"

}  // namespace pithkv
