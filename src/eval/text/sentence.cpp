#include "eval/text/sentence.h"

#include <algorithm>

#include "base/error.h"

namespace pith::eval {

Sentence fill(std::string_view form, const Values& values) {
  Sentence sentence;
  for (std::size_t at = 0; at < form.size();) {
    const std::size_t open = std::min(form.find('{', at), form.size());
    sentence.text += form.substr(at, open - at);
    if (open == form.size()) break;
    const std::size_t close = form.find('}', open);
    PITH_CHECK(close != std::string_view::npos, std::string(form));
    const auto name = form.substr(open + 1, close - open - 1);
    const auto value = std::find_if(values.begin(), values.end(),
                                    [&](const auto& pair) { return pair.first == name; });
    PITH_CHECK(value != values.end(),
               "no value for " + std::string(name) + " in " + std::string(form));
    const auto begin = static_cast<Index>(sentence.text.size());
    sentence.text += value->second;
    sentence.slots.push_back(
        {std::string(name), {begin, static_cast<Index>(sentence.text.size())}});
    at = close + 1;
  }
  return sentence;
}

}  // namespace pith::eval
