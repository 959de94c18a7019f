// Choosing tokens: samplers, stop conditions, and the loop that generates a text from a context.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "engine/context.h"
#include "pith/answer.h"

namespace pith {

struct Sampling {
  double temperature = 0;  // 0: greedy
  Index top_k = 0;         // 0: all
  double top_p = 1;        // smallest set whose probability reaches p
  double min_p = 0;        // drop tokens below min_p times the best one's probability
  std::uint64_t seed = 0;
};

// Draws tokens. The order of the filters is temperature, top-k, top-p, min-p; ties go to the lower
// id. The same seed, logits and options give the same token on every machine.
class Sampler {
 public:
  explicit Sampler(const Sampling& sampling);  // throws bad_input for values out of range
  Token pick(std::span<const float> logits);

 private:
  Sampling sampling_;
  Rng rng_;
};

struct GenerateOptions {
  Index max_tokens = 256;
  Sampling sampling;
  std::vector<std::string> stop;  // ends the text before the first of these
  bool ignore_end = false;        // go on after end-of-generation tokens (benchmarks)
};

using pithkv::StopReason;

struct Generated {
  std::string text;           // without stop string and end token
  std::vector<Token> tokens;  // generated, the end token included if there was one
  StopReason reason = StopReason::end_of_text;
  // Of a text that a stop string ended: the tokens that wholly lie before that, and the text
  // between them and it, with which a token of the stop string begins.
  Index before_stop = 0;
  std::string tail;
  double seconds = 0;  // of decoding: from the first to the last step
  Index steps = 0;     // forward passes in `seconds`
  double tokens_per_second() const {
    return seconds > 0 ? static_cast<double>(steps) / seconds : 0;
  }
};

using pithkv::OnText;  // called with each piece of text that can be shown

// Continues a context whose logits are there. The generated tokens are read into it (the last one
// is not).
Generated generate(Context& context, const GenerateOptions& options, const OnText& on_text = {});

// The same for several contexts of one engine at once: weights are read once per step for all of
// them. `seconds` of each is its share.
std::vector<Generated> generate_together(std::span<Context> contexts,
                                         const GenerateOptions& options);

// One text of generate_all.
struct GenerateJob {
  Context context;
  GenerateOptions options;
  // Asked before the last of the written tokens is read, if there: may put another context in place
  // that has read all of them, and returns whether it did.
  std::function<bool(Context&, std::span<const Token> written)> renew = {};
};
// The same for any number of contexts, at most `together` at once: one that ends makes room for the
// next. `next` makes job 0, 1, ... and returns nothing after the last; `done` takes the results in
// the same order. Returns the seconds that went into decoding.
double generate_all(Index together, const std::function<std::optional<GenerateJob>(Index)>& next,
                    const std::function<void(Index, Generated)>& done);

}  // namespace pith
