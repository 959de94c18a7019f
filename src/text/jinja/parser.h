// Reads a template's source into a tree. It accepts the subset of Jinja2 that chat templates use,
// and refuses the rest by name.
#pragma once

#include <string_view>

#include "text/jinja/ast.h"

namespace pith::jinja {

constexpr int kMaxBrackets = 100;  // nesting of brackets and blocks: the parser recurses
constexpr int kMaxExpressionDepth =
    400;  // length of chains such as a + b + c, which evaluation recurses over

// `source` as normalise_source() gives it. Throws SyntaxError.
Body parse(std::string_view source);

}  // namespace pith::jinja
