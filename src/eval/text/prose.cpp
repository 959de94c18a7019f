#include "eval/text/prose.h"

#include <algorithm>

#include "base/error.h"
#include "eval/text/draw.h"
#include "eval/text/prose_grammar.h"

namespace pith::eval {
namespace {

const Rule& rule(std::string_view name) {
  const auto rules = prose_grammar();
  const auto found = std::find_if(rules.begin(), rules.end(),
                                  [&](const Rule& candidate) { return candidate.name == name; });
  PITH_CHECK(found != rules.end(), "the prose grammar lacks " + std::string(name));
  return *found;
}

struct Expansion {
  Rng& rng;
  std::string text;
  std::uint64_t shape = 0xcbf29ce484222325u;

  void expand(const Rule& from) {
    const Index choice = rng.below(static_cast<Index>(from.alternatives.size()));
    const auto form = from.alternatives[static_cast<std::size_t>(choice)];
    // Rules whose alternatives hold no slots only choose a word.
    const bool words = std::none_of(
        from.alternatives.begin(), from.alternatives.end(),
        [](std::string_view text_) { return text_.find('{') != std::string_view::npos; });
    if (!words) shape = (shape ^ static_cast<std::uint64_t>(choice + 1)) * 0x100000001b3u;
    for (std::size_t at = 0; at < form.size();) {
      const std::size_t open = std::min(form.find('{', at), form.size());
      text += form.substr(at, open - at);
      if (open == form.size()) break;
      const std::size_t close = form.find('}', open);
      expand(rule(form.substr(open + 1, close - open - 1)));
      at = close + 1;
    }
  }
};

bool vowel(char c) { return std::string_view("aeiou").find(c) != std::string_view::npos; }

// "a awl" -> "an awl".
std::string with_articles(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    const bool article = (text[i] == 'a' || text[i] == 'A') && (i == 0 || text[i - 1] == ' ') &&
                         i + 2 < text.size() && text[i + 1] == ' ' && vowel(text[i + 2]);
    if (article) result += 'n';
  }
  return result;
}

}  // namespace

std::string Prose::next() {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    Expansion expansion{rng_, {}};
    expansion.expand(prose_grammar().front());
    std::string text = with_articles(expansion.text);
    const std::size_t first = text.front() == '"' ? 1 : 0;
    if (text[first] >= 'a' && text[first] <= 'z') text[first] -= 'a' - 'A';
    if (!seen_.insert(text).second) continue;
    shape_ = expansion.shape;
    return text;
  }
  check_failed("a new sentence", __FILE__, __LINE__, std::to_string(seen_.size()) + " made");
}

}  // namespace pith::eval
