// Any text parses or is refused with an Error, and what parses prints a fixed point.

#include <cstdlib>

#include "base/error.h"
#include "recipe/recipe.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using pith::recipe::Recipe;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const std::string printed = Recipe::parse(text).to_string();
    const Recipe again = Recipe::parse(printed);
    if (again.to_string() != printed || again.needs() != Recipe::parse(text).needs()) std::abort();
  } catch (const pith::Error&) {
  }
  return 0;
}
