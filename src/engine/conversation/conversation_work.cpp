#include "engine/conversation/conversation_work.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/conversation/eviction.h"
#include "engine/conversation/turn_block.h"
#include "engine/conversation/turn_recipe.h"

namespace pith {
namespace {

// Those of the entries that the first ones of a context are; the others came later.
std::vector<std::vector<float>> of_older(const std::vector<std::vector<float>>& attention,
                                         const cache::Cache& cache, Index token) {
  std::vector<std::vector<float>> out;
  for (std::size_t lane = 0; lane < attention.size(); ++lane) {
    auto& own = out.emplace_back();
    const auto infos = cache.read_info(static_cast<Index>(lane));
    for (std::size_t j = 0; j < infos.size(); ++j)
      if (infos[j].span.begin < token) own.push_back(attention[lane][j]);
  }
  return out;
}

// Blocks hold what their own turn's windows held. What the last turn needs stays, so that this turn
// can be taken back and read again.
void drop_unseen(Context& blocks) {
  const Eviction unseen = plan_windows(blocks.cache(), blocks.next_position());
  if (unseen.entries > 0) blocks.cache().apply(unseen.keep);
}

}  // namespace

void extend(std::optional<cache::Cache>& cache, cache::Cache more) {
  if (cache)
    cache->extend(more);
  else
    cache.emplace(std::move(more));
}

void ConversationWork::run(std::shared_ptr<Engine> engine, const Progress& progress) {
  const Stopwatch watch;
  try {
    task_.blocks = task_.blocks.fork_on(engine);
    task_.live = task_.live.fork_on(engine);
    for (std::size_t i = 0; i + 1 < task_.turn_starts.size(); ++i)
      if (task_.turn_starts[i] >= task_.blocks.next_position())
        compress_turn(task_.turn_starts[i], task_.turn_starts[i + 1], progress);
    evict();
    evicted_at_ = std::ssize(task_.turn_starts);
  } catch (const std::exception& error) {
    note(error);
  }
  account_.compress_seconds = watch.seconds();
}

void ConversationWork::note(const std::exception& error) noexcept {
  try {
    const auto* own = dynamic_cast<const Error*>(&error);
    if (own && own->code() == ErrorCode::cancelled) return;
    const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
    notes_.push_back(fmt::format("compression: {}; what is left stays exact",
                                 memory ? "no memory left for it" : error.what()));
  } catch (const std::bad_alloc&) {  // not even for the note
  }
}

std::span<const Token> ConversationWork::tokens(Index begin, Index end) const {
  return std::span(task_.live.tokens())
      .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

void ConversationWork::compress_turn(Index begin, Index end, const Progress& progress) {
  const Stopwatch watch;
  const auto turn = tokens(begin, end);
  const BlockKey key = KeyMaker(task_.key).add(turn).key();
  const auto number = std::lower_bound(task_.turn_starts.begin(), task_.turn_starts.end(), begin) -
                      task_.turn_starts.begin() + 1;
  TurnReport report{.turn = number, .tokens = std::ssize(turn), .recipe = "full"};
  Context longer = task_.blocks.fork();
  const auto add = [&](const cache::Cache& entries) {
    report.entries = entries.entries();
    report.bytes = entries.bytes().total();
    longer.append(entries, turn);
    drop_unseen(longer);
  };
  const auto& recipe = task_.options->recipe;
  if (!recipe || recipe->is_full()) {
    add(task_.live.until(end).cache().part(begin));
  } else if (auto found = find(key, turn)) {
    report.from_store = true;
    report.recipe = found->recipe;
    ++account_.from_store;
    add(found->entries);
  } else {
    TurnBlock block = make_block(task_.blocks, turn, *recipe,
                                 {.prefix_tokens = task_.prefix_tokens,
                                  .answer_prompt = task_.answer_prompt,
                                  .sentence_starts = {},
                                  .progress = progress,
                                  .replay_progress = {}},
                                 task_.options->cold.has_value());
    if (!block.note.empty()) notes_.push_back(fmt::format("turn {} {}", number, block.note));
    report.recipe = block.recipe;
    store(key, turn, block.entries, block.recipe);
    add(block.entries);
    if (block.left_out) add_cold(std::move(*block.left_out));
  }
  adopt(std::move(longer), key);
  report.seconds = watch.seconds();
  if (recipe && !recipe->is_full()) {
    ++account_.compressed;
    if (report.recipe != recipe->to_string()) ++account_.fallbacks;
    reports_.push_back(std::move(report));
  }
}

// A block that cannot be used is made anew, and written over: what the error advises at its end,
// for files of other kinds, is left out.
std::optional<BlockStore::Found> ConversationWork::find(const BlockKey& key,
                                                        std::span<const Token> turn) {
  if (!task_.store) return std::nullopt;
  try {
    return task_.store->find(key, task_.blocks, turn);
  } catch (const Error& error) {
    const std::string_view what = error.what();
    notes_.push_back(fmt::format("{}; the block is made anew", what.substr(0, what.rfind("; "))));
    return std::nullopt;
  }
}

void ConversationWork::store(const BlockKey& key, std::span<const Token> turn,
                             const cache::Cache& entries, const std::string& recipe) {
  if (!task_.store) return;
  try {
    task_.store->put(key, task_.blocks, turn, entries, recipe);
    ++account_.stored;
  } catch (const Error& error) {
    notes_.push_back(fmt::format("{}; the conversation goes on without it", error.what()));
  }
}

void ConversationWork::adopt(Context blocks, BlockKey key) noexcept {
  task_.blocks = std::move(blocks);
  task_.key = std::move(key);
}

Context ConversationWork::assembled(const Context& blocks, Index end) const {
  const Index begin = blocks.next_position();
  Context out = blocks.fork();
  out.append(task_.live.until(end).cache().part(begin), tokens(begin, end));
  return out;
}

void ConversationWork::evict() {
  const Index over = task_.options->over_bytes, end = task_.live.next_position();
  if (over == 0) return;
  const auto target = static_cast<Index>(task_.options->evict_to * static_cast<double>(over));
  const Index held = assembled(task_.blocks, end).cache().bytes().total();
  if (held <= over) return;
  const Index last = task_.turn_starts.back(), blocks_end = task_.blocks.next_position();
  const Index from = task_.answer_begin < end ? task_.answer_begin : last;
  if (from < blocks_end) return;  // a loaded turn that is not exact: it cannot be read again
  const Context before = assembled(task_.blocks, from);
  const auto attention =
      of_older(attention_of(before, tokens(from, end)), before.cache(), blocks_end);
  const auto order = eviction_order(task_.blocks.cache(), attention,
                                    {.prefix_tokens = task_.prefix_tokens,
                                     .turn_starts = task_.turn_starts,
                                     .fewest_of_turn = kFewestOfTurn});
  // Lanes allocate whole tiles: what entries take is an estimate, corrected until it is enough.
  Context blocks = task_.blocks.fork();
  Eviction eviction;
  Index bytes = held - target;
  for (Index last_count = -1;;) {
    eviction = plan_eviction(task_.blocks.cache(), order, bytes);
    blocks = task_.blocks.fork();
    blocks.cache().apply(eviction.keep);
    const Index left = assembled(blocks, end).cache().bytes().total();
    if (left <= target || eviction.entries == last_count) break;
    last_count = eviction.entries;
    bytes += left - target;
  }
  if (eviction.entries == 0) return;
  BlockKey key = KeyMaker(task_.key).add("evict").add(blocks.cache(), false).key();
  cache::Cache gone = task_.blocks.cache().fork();
  gone.apply(eviction.evict);
  add_cold(std::move(gone));
  adopt(std::move(blocks), std::move(key));
  ++account_.evictions;
  account_.evicted += eviction.entries;
}

void ConversationWork::add_cold(cache::Cache entries) {
  if (!task_.options->cold) return;
  cache::Plan plan;
  for (Index lane = 0; lane < entries.shape().lanes(); ++lane) {
    auto& own = plan.lanes.emplace_back();
    own.format = task_.options->cold;
    for (Index j = 0; j < entries.size(lane); ++j) own.keep.push_back(static_cast<std::int32_t>(j));
  }
  entries.apply(plan);
  extend(cold_, std::move(entries));
}

}  // namespace pith
