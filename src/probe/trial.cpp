#include "probe/trial.h"

#include <algorithm>

#include "engine/guard/forced.h"
#include "engine/signals/replay.h"

namespace pith::probe {
std::vector<Token> Trial::tokens() const {
  std::vector<Token> all = prompt;
  all.insert(all.end(), continuation.begin(), continuation.end());
  return all;
}

Trial make_trial(const Context& full, std::vector<Token> prompt, std::vector<Token> continuation) {
  Trial trial{std::move(prompt), std::move(continuation), {}};
  for_predictions(full, trial.prompt, trial.continuation,
                  [&](Index, std::span<const float> logits) {
                    trial.full_logits.insert(trial.full_logits.end(), logits.begin(), logits.end());
                  });
  return trial;
}

Trial make_replay(const Context& full, Index prefix_tokens, Index tokens,
                  std::span<const Token> answer_prompt) {
  const auto chunks = replay_chunks(full.engine(), full.tokens(),
                                    {.prefix_tokens = prefix_tokens,
                                     .chunk = tokens,
                                     .answer_prompt = {answer_prompt.begin(), answer_prompt.end()},
                                     .progress = {}});
  const ReplayChunk& chunk = chunks[chunks.size() / 2];
  const auto split = chunk.tokens.end() - (chunk.end - chunk.begin);
  return make_trial(full, {chunk.tokens.begin(), split}, {split, chunk.tokens.end()});
}

std::vector<float> read_pooled(Context& context, std::span<const Token> tokens, Index count,
                               ReadObserver* observer) {
  const auto E = static_cast<std::size_t>(context.engine().config().width);
  std::vector<float> pooled(E);
  context.read_states(
      tokens,
      [&](Index first, std::span<const float> states) {
        for (std::size_t i = 0; i < states.size(); ++i)
          if (first + static_cast<Index>(i / E) < count)
            pooled[i % E] += states[i] / static_cast<float>(count);
      },
      observer);
  return pooled;
}

Fidelity run_trial(const Trial& trial, const Context& context) {
  const auto V = static_cast<std::size_t>(context.engine().config().vocabulary);
  Fidelity result;
  for_predictions(
      context, trial.prompt, trial.continuation, [&](Index row, std::span<const float> logits) {
        result.add(std::span(trial.full_logits).subspan(static_cast<std::size_t>(row) * V, V),
                   logits, trial.continuation[static_cast<std::size_t>(row)]);
      });
  return result;
}

}  // namespace pith::probe
