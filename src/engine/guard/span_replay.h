// A sample of the document, repeated: how much worse a compressed cache does than the whole one.
// No question and no answer is looked at. The guard (guard.h) climbs by it; a user who asked for a
// ratio is shown it.
#pragma once

#include <span>
#include <vector>

#include "engine/context.h"
#include "engine/guard/span_damage.h"
#include "engine/reading.h"
#include "recipe/recipe.h"

namespace pith {

inline constexpr Index kRepeatedSpan = 32;  // tokens repeated at once
inline constexpr Index kMostSpans = 64;
// For users: 512 tokens settle the share that is repeated to a few hundredths.
inline constexpr Index kCheckedSpans = 16;

struct RepeatedSpan {
  Index begin = 0, end = 0;  // source tokens
  friend bool operator==(const RepeatedSpan&, const RepeatedSpan&) = default;
};
// Of the document's windows of kRepeatedSpan tokens a tenth, but at least 8 and at most `most`: one
// out of each of as many equal stretches, drawn with a window's summed weight as its own. `weights`
// [T] has the chat prefix, too, and at least one token behind it. The same for the same weights.
std::vector<RepeatedSpan> sample_spans(std::span<const float> weights, Index prefix_tokens,
                                       Index most = kMostSpans);

struct SampleOptions {
  ReadOptions reading = {};  // of the document
  Index most = kMostSpans;   // spans
  Progress progress = {};    // of spans
};

// The sample, repeated from the whole cache once and from any number of compressed ones.
class SpanReplay {
 public:
  // `weights` [T]: surprisal, or the same for every token. Throws bad_input, before anything is
  // computed, where the model's range has no room for a span behind the document.
  SpanReplay(const Context& whole, std::span<const float> weights, const SampleOptions& options);
  SpanDamage compare(const Context& compressed, const Progress& progress = {}) const;

  Index spans() const { return std::ssize(spans_); }

 private:
  struct Span {
    std::vector<Token> prompt, text;
    SpanTokens tokens;  // as the whole cache has them
  };
  Index prefix_;
  std::vector<float> weight_;  // [T]
  std::vector<Span> spans_;
};

// Whether the caches that a recipe makes are checked: not the whole one, and none that only comes
// to be once a question is known.
bool is_checkable(const recipe::Recipe& recipe);

// A weight for every token that was read, for a sample without surprisal: collecting that costs the
// logits of the whole document.
std::vector<float> even_weights(const Context& context);

}  // namespace pith
