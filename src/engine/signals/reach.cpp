#include "engine/signals/reach.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "engine/signals/references.h"
#include "engine/signals/replay.h"

namespace pith {
namespace {

// One reading behind `read` tokens of a document.
struct Reading {
  std::string_view what;
  Index read = 0;
  Index more = 0;      // tokens of it ...
  Index repeated = 0;  // ... of which so many are the document's, as far as it is long enough
};

Reading replay_of(const ReplayChunk& chunk, Index read) {
  return {"the replay", read, std::ssize(chunk.tokens), chunk.end - chunk.begin};
}

void check(const Engine& engine, const Reading& reading) {
  const Index range = engine.config().context_length;
  if (reading.read + reading.more <= range) return;
  // Of a text that is repeated whole, what is left out is left out twice.
  const Index asked = reading.more - reading.repeated;
  const Index fit = std::max({Index{0}, range - reading.more, (range - asked) / 2});
  fail(
      ErrorCode::bad_input,
      fmt::format("{} that this recipe needs reads {} tokens behind the {} of the document and its "
                  "prompt, which leaves the model's range of {} tokens; shorten them to {} or "
                  "fewer, take a recipe that reads nothing twice, or use a model with a longer "
                  "range",
                  reading.what, reading.more, reading.read, range, fit));
}

}  // namespace

void check_reach(const Engine& engine, std::span<const Token> tokens,
                 const recipe::SignalNeeds& needs, const ReadOptions& options) {
  const Index total = std::ssize(tokens);
  ReplayOptions how = replay_options(needs, options);
  const auto check_replay = [&] {
    for (const ReplayChunk& chunk : replay_chunks(engine, tokens, how))
      check(engine, replay_of(chunk, total));
  };
  if (needs.repeats()) check_replay();
  how.chunk = kGradientChunk;
  if (needs.replay_gradient) check_replay();
  if (!needs.studies.empty())
    check(engine, {"self-study", total, longest_study(engine, options.answer_prompt), 0});
  if (needs.second_pass) check(engine, {"the second pass", total, total, total});
}

void check_pieces(const Engine& engine, std::span<const Token> tokens, Index chunk,
                  const ReadOptions& options) {
  const Index total = std::ssize(tokens);
  const ReplayOptions how{.prefix_tokens = options.prefix_tokens,
                          .answer_prompt = options.answer_prompt,
                          .progress = {}};
  for (Index begin = 0; begin < total; begin += chunk) {
    const Index end = std::min(total, begin + chunk), first = std::max(begin, how.prefix_tokens);
    if (first < end) check(engine, replay_of(replay_chunk(engine, tokens, first, end, how), end));
  }
}

}  // namespace pith
