// A sample of the document, repeated: how much worse a compressed cache does than the whole one.
// No question and no answer is looked at. The guard (guard.h) climbs by it; a user who asked for a
// ratio is shown it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/context.h"
#include "engine/reading.h"

namespace pith {

inline constexpr Index kRepeatedSpan = 32;  // tokens repeated at once

// How many spans are drawn: a tenth of the document's windows, as far as these allow.
inline constexpr Index kFewestSpans = 8, kMostSpans = 64;

inline constexpr Index kCheckedSpans = 16;  // enough to show a user

struct RepeatedSpan {
  Index begin = 0, end = 0;  // source tokens
  friend bool operator==(const RepeatedSpan&, const RepeatedSpan&) = default;
};
// Of the document's windows of kRepeatedSpan tokens, one out of each of as many equal stretches as
// there are spans, drawn with a window's summed weight as its own. `weights` [T] has the chat
// prefix, too. The same for the same weights.
std::vector<RepeatedSpan> sample_spans(std::span<const float> weights, Index prefix_tokens,
                                       Index most = kMostSpans);

// What a compressed cache makes of the sample.
struct SpanDamage {
  double rise = 0;    // of -log p of the sampled text over the whole cache's, nats per token
  double worst = 0;   // the same of the worst span
  double missed = 0;  // share of the tokens that the whole cache repeats and this one does not
  double routes = 0;  // share of the document's weight on tokens that fewer than 3 lanes keep
  friend bool operator==(const SpanDamage&, const SpanDamage&) = default;
};

// The sample, repeated from the whole cache once and from any number of compressed ones.
class SpanReplay {
 public:
  // `weights` [T]: surprisal, or the same for every token. Throws bad_input, before anything is
  // computed, where the model's range has no room for a span behind the document.
  // `progress` hears of spans.
  SpanReplay(const Context& whole, std::span<const float> weights, const ReadOptions& options,
             Index most_spans = kMostSpans, const Progress& progress = {});
  SpanDamage compare(const Context& compressed, const Progress& progress = {}) const;

  Index spans() const { return std::ssize(spans_); }
  // Tokens of the sample that the whole cache repeats, as a share of all.
  double known() const;

 private:
  struct Span {
    std::vector<Token> prompt, text;
    std::vector<double> surprisal;    // [text] from the whole cache
    std::vector<std::uint8_t> known;  // [text] 1 where the whole cache's likeliest token is it
  };
  Index prefix_;
  std::vector<float> weight_;  // [T]
  std::vector<Span> spans_;
};

// A weight for every token that was read, for a sample without surprisal: collecting that costs the
// logits of the whole document.
std::vector<float> even_weights(const Context& context);

}  // namespace pith
