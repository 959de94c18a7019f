#include "engine/conversation/turn_reading.h"

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/conversation/turn_block.h"
#include "engine/conversation/turn_recipe.h"
#include "engine/keeper.h"

namespace pith {
namespace {

// Calls read(tokens) for the chat prefix, then for every turn.
template <typename Read>
void for_turns(std::span<const Token> tokens, const ReadOptions& options, Read read) {
  if (options.turn_starts.empty())
    fail(ErrorCode::bad_input,
         "the schedules turn and again need a document of turns; this one has none");
  Index begin = 0;
  const auto up_to = [&](Index end) {
    if (end > begin)
      read(tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
    begin = end;
  };
  up_to(options.prefix_tokens);
  for (const std::int32_t start : options.turn_starts)
    if (start > begin) up_to(start);
  up_to(std::ssize(tokens));
}

}  // namespace

CompressionReport read_turn_by_turn(Context& context, std::span<const Token> tokens,
                                    const recipe::Recipe& recipe, const ReadOptions& options) {
  PITH_CHECK(context.next_position() == 0, "an empty context");
  check_turn_recipe(recipe);
  const Stopwatch watch;
  for_turns(tokens, options, [&](std::span<const Token> turn) {
    if (context.next_position() < options.prefix_tokens || recipe.is_full())
      context.read(turn);
    else
      context.append(make_block(context, turn, recipe, options).entries, turn);
    if (options.progress) options.progress(context.next_position(), std::ssize(tokens));
  });
  CompressionReport report;
  report.seconds = watch.seconds();
  report.entries_before = context.next_position() * context.cache().shape().lanes();
  report.entries_after = context.cache().entries();
  report.full_bytes = report.bytes_before = context.cache().full_bytes();
  report.bytes_after = context.cache().bytes().total();
  return report;
}

CompressionReport read_turns_again(Context& context, std::span<const Token> tokens,
                                   const recipe::Recipe& recipe, const ReadOptions& options) {
  Keeper keeper(context, recipe, options);
  const Stopwatch watch;
  for_turns(tokens, options, [&](std::span<const Token> turn) {
    const Index end = context.next_position() + std::ssize(turn);
    if (end <= options.prefix_tokens)
      keeper.append(turn);
    else
      keeper.read_piece(turn, end == std::ssize(tokens));
    if (options.progress) options.progress(end, std::ssize(tokens));
  });
  CompressionReport report = keeper.report();
  report.seconds = watch.seconds();
  return report;
}

}  // namespace pith
