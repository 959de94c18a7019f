#include "engine/conversation/conversation.h"

#include <fmt/format.h>
#include <sched.h>

#include <atomic>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/stopwatch.h"
#include "engine/calibration/calibration.h"
#include "engine/conversation/conversation_work.h"
#include "engine/conversation/eviction.h"
#include "engine/conversation/turn_block.h"
#include "engine/conversation/turn_recipe.h"
#include "engine/learned/encoder.h"

namespace pith {

struct Conversation::Background {
  std::unique_ptr<ConversationWork> work;
  std::stop_source stop;
  std::atomic<bool> done{false};
  std::thread thread;
};

namespace {

// Raise it when the same recipe makes other blocks than before.
constexpr int kBlocksVersion = 4;

// A recipe with what it looks up in files: blocks that were made with others are other blocks.
std::string name_in_keys(const Engine& engine, const std::optional<recipe::Recipe>& recipe) {
  if (!recipe) return "full";
  const recipe::SignalNeeds needs = recipe->needs();
  return fmt::format("{}|{}{}{}", recipe->to_string(), kBlocksVersion,
                     encoder_hashes(engine, needs), looked_up_hash(engine, needs));
}

// Recall tells cold entries apart by where they lie in a lane that holds them, too: behind all
// others, as packed ones do (Cache::extend).
void check_cold(cache::Format format) {
  if (!cache::traits(format).packed)
    fail(ErrorCode::bad_input,
         fmt::format("cold entries in {}: only packed formats can be told apart when a question "
                     "looks at them; take int4 or int2",
                     cache::to_string(format)));
}

}  // namespace

Conversation::Conversation(std::shared_ptr<Engine> engine, ConversationOptions options)
    : engine_(std::move(engine)),
      options_(std::move(options)),
      frame_(make_turn_frame(*engine_, options_.system)),
      context_(engine_),
      blocks_(engine_) {
  if (options_.recipe) check_turn_recipe(*options_.recipe);
  if (options_.cold) check_cold(*options_.cold);
  recipe_name_ = name_in_keys(*engine_, options_.recipe);
  if (!options_.store.empty()) store_.emplace(options_.store);
  options_.generation.stop.insert(options_.generation.stop.end(), frame_.stop.begin(),
                                  frame_.stop.end());
}

Conversation::Conversation(Context saved, ConversationOptions options)
    : Conversation(saved.shared_engine(), std::move(options)) {
  const auto before = encode(frame_.before, true);
  const bool same_beginning = before.size() <= saved.tokens().size() &&
                              std::equal(before.begin(), before.end(), saved.tokens().begin());
  if (saved.next_position() == 0 || (same_beginning && before.size() == saved.tokens().size()))
    return;  // the first turn is still to come
  context_ = std::move(saved);
  constexpr Index kSinks = 4;
  prefix_tokens_ = std::min(same_beginning ? std::ssize(before) : kSinks, context_.next_position());
  turn_starts_ = find_turns(context_.tokens(), prefix_tokens_, encode(frame_.between));
  answer_begin_ = context_.next_position();
  try {
    blocks_ = context_.until(turn_starts_.back());
  } catch (const Error&) {  // the last turn is not exact in this file
    blocks_ = context_.fork();
  }
  key_ = KeyMaker(fmt::format("loaded {:016x}", engine_->model().hash()))
             .add(to_string(engine_->cache_format()))
             .add(recipe_name_)
             .add(fmt::format("{}", prefix_tokens_))
             .add(blocks_.tokens())
             .add(blocks_.cache(), true)
             .key();
}

Conversation::~Conversation() {
  if (!background_) return;
  background_->stop.request_stop();
  background_->thread.join();
}

std::vector<Token> Conversation::encode(std::string_view text, bool first) const {
  return engine_->tokenizer().encode(text, {.parse_special = true, .add_special = first});
}

void Conversation::read_prefix() {
  const auto before = encode(frame_.before, true);
  if (!before.empty()) context_.read(before);
  blocks_ = context_.fork();
  prefix_tokens_ = context_.next_position();
  key_ = KeyMaker(fmt::format("{:016x}", engine_->model().hash()))
             .add(to_string(engine_->cache_format()))
             .add(recipe_name_)
             .add(before)
             .key();
}

Generated Conversation::say(std::string_view text, const OnText& on_text, const Progress& reading) {
  take_over_if_done();
  if (prefix_tokens_ == 0 && context_.next_position() == 0) read_prefix();
  std::vector<Token> tokens;
  const auto add = [&](const std::vector<Token>& ids) {
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  add(unread_);
  const Index begin = context_.next_position() + std::ssize(tokens);
  if (!turn_starts_.empty()) add(encode(frame_.between));
  add(engine_->tokenizer().encode(text, {}));  // what a user types is never a control token
  add(encode(frame_.after));
  recall(tokens);
  context_.read(tokens, nullptr, reading);
  unread_.clear();
  turn_starts_.push_back(begin);
  answer_begin_ = context_.next_position();
  ++account_.turns;
  Generated answer = generate(context_, options_.generation, on_text);
  if (answer.reason == StopReason::stop_string) {
    context_ = context_.until(answer_begin_ + answer.before_stop);
    unread_ = engine_->tokenizer().encode(Utf8Stream().push(answer.tail), {});
  } else if (!answer.tokens.empty() &&
             !engine_->tokenizer().is_end_of_generation(answer.tokens.back())) {
    unread_ = {answer.tokens.back()};
  }
  take_over_if_done();
  return answer;
}

bool Conversation::due() const {
  if (turn_starts_.empty()) return false;
  if (turn_starts_.back() > blocks_.next_position()) return true;
  return options_.over_bytes > 0 && evicted_at_ < std::ssize(turn_starts_) &&
         context_.cache().bytes().total() > options_.over_bytes;
}

std::unique_ptr<ConversationWork> Conversation::make_work() const {
  return std::make_unique<ConversationWork>(
      ConversationWork::Task{.options = &options_,
                             .store = store_ ? &*store_ : nullptr,
                             .blocks = blocks_.fork(),
                             .live = context_.fork(),
                             .key = key_,
                             .turn_starts = turn_starts_,
                             .prefix_tokens = prefix_tokens_,
                             .answer_begin = answer_begin_,
                             .answer_prompt = encode(frame_.after)});
}

void Conversation::compress_in_background() {
  take_over_if_done();
  if (background_ || !due()) return;
  auto background = std::make_unique<Background>();
  background->work = make_work();
  try {
    background->thread = std::thread([this, job = background.get()] {
      run_idle(*job);
      job->done.store(true, std::memory_order_release);
    });
  } catch (const std::system_error& error) {
    background->work->note(error);
    take_over(*background->work);
    return;
  }
  background_ = std::move(background);
}

// What leaves a thread ends the process.
void Conversation::run_idle(Background& job) noexcept {
  try {
    // Threads of an engine inherit this policy: they run when no other thread wants a core.
    const sched_param no_priority{};
    ::sched_setscheduler(0, SCHED_IDLE, &no_priority);
    if (!idle_engine_) idle_engine_ = Engine::sharing(*engine_, engine_->pool().size());
    const Engine::Stoppable stoppable(*idle_engine_, job.stop.get_token());
    job.work->run(idle_engine_, {});
  } catch (const std::exception& error) {
    job.work->note(error);
  }
}

void Conversation::compress_now(std::stop_token stop_token, const Progress& progress) {
  stop();
  if (!due()) return;
  const auto work = make_work();
  {
    const Engine::Stoppable stoppable(*engine_, std::move(stop_token));
    work->run(engine_, progress);
  }
  take_over(*work);
}

void Conversation::stop() {
  if (!background_) return;
  background_->stop.request_stop();
  background_->thread.join();
  const auto ended = std::move(background_);
  take_over(*ended->work);
}

bool Conversation::working() const {
  return background_ && !background_->done.load(std::memory_order_acquire);
}

void Conversation::take_over_if_done() {
  if (background_ && !working()) stop();
}

void Conversation::take_over(ConversationWork& work) {
  // Blocks of this conversation hold them already: whatever is thrown, they come in once.
  const auto recalled = std::exchange(recalled_meanwhile_, std::nullopt);
  Context blocks = work.blocks().fork_on(engine_);
  BlockKey key = work.key();
  if (recalled) {
    blocks.cache().extend(*recalled);
    key = KeyMaker(key).add("recall").add(*recalled, true).key();
  }
  Context whole = rebuilt(blocks);
  if (work.cold()) add_cold(std::move(*work.cold()));
  adopt(std::move(blocks), std::move(whole), std::move(key));
  evicted_at_ = std::max(evicted_at_, work.evicted_at());
  const ConversationAccount& done = work.account();
  account_.compressed += done.compressed;
  account_.from_store += done.from_store;
  account_.stored += done.stored;
  account_.fallbacks += done.fallbacks;
  account_.evictions += done.evictions;
  account_.evicted += done.evicted;
  account_.compress_seconds += done.compress_seconds;
  std::move(work.reports().begin(), work.reports().end(), std::back_inserter(reports_));
  std::move(work.notes().begin(), work.notes().end(), std::back_inserter(notes_));
}

Context Conversation::rebuilt(const Context& blocks) const {
  const Index begin = blocks.next_position();
  Context whole = blocks.fork();
  whole.append(context_.cache().part(begin),
               std::span(context_.tokens()).subspan(static_cast<std::size_t>(begin)),
               context_.logits());
  return whole;
}

void Conversation::adopt(Context blocks, Context whole, BlockKey key) noexcept {
  blocks_ = std::move(blocks);
  context_ = std::move(whole);
  key_ = std::move(key);
}

// The question is read twice: first with everything that is cold in sight, as it lies there, to see
// what it looks at.
void Conversation::recall(std::span<const Token> question) {
  if (!cold_ || cold_->entries() == 0) return;
  const Stopwatch watch;
  const cache::Shape& shape = context_.cache().shape();
  const Index most = options_.recall_entries * shape.lanes();
  Context probe = context_.fork();
  probe.cache().extend(*cold_);
  auto attention = attention_of(probe, question);
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    auto& own = attention[static_cast<std::size_t>(lane)];
    own.erase(own.begin(), own.end() - cold_->size(lane));
  }
  const Eviction chosen = plan_recall(*cold_, attention, most);
  if (chosen.entries > 0) {
    cache::Cache back = take_out_of_cold(chosen);
    Context blocks = blocks_.fork();
    blocks.cache().extend(back);
    BlockKey key = KeyMaker(key_).add("recall").add(back, true).key();
    Context whole = rebuilt(blocks);
    if (background_) extend(recalled_meanwhile_, std::move(back));
    adopt(std::move(blocks), std::move(whole), std::move(key));
    account_.recalled += chosen.entries;
  }
  account_.recall_seconds += watch.seconds();
}

// The recalled entries, in the format of new ones and in memory.
cache::Cache Conversation::take_out_of_cold(Eviction chosen) {
  cache::Cache back(cold_->shape(), cold_->rotation(), engine_->cache_format());
  back.extend(*cold_);
  for (cache::LanePlan& lane : chosen.evict.lanes) lane.formats.clear();
  back.apply(chosen.evict);
  try {
    cold_->apply(chosen.keep);
  } catch (const Error& error) {  // no room on its disk to move what stays
    if (error.code() != ErrorCode::io) throw;
    notes_.push_back(fmt::format("{}; what else was cold is lost", error.what()));
    cold_.reset();
  }
  return back;
}

// A full disk costs the entries, not the conversation.
void Conversation::add_cold(cache::Cache more) {
  if (options_.cold_folder.empty()) {
    extend(cold_, std::move(more));
    return;
  }
  try {
    cache::Cache all = cold_ ? cold_->fork()
                             : cache::Cache(more.shape(), more.rotation(), engine_->cache_format(),
                                            options_.cold_folder);
    all.extend(more);
    cold_.emplace(std::move(all));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::io) throw;
    notes_.push_back(fmt::format("{}; {} evicted entries are lost", error.what(), more.entries()));
  }
}

ConversationAccount Conversation::account() const {
  ConversationAccount out = account_;
  if (cold_) {
    out.cold_entries = cold_->entries();
    out.cold_bytes = cold_->bytes().total();
    out.cold_on_disk = !options_.cold_folder.empty();
  }
  return out;
}

void Conversation::save(const std::filesystem::path& path) {
  const Index range = engine_->config().context_length;
  if (context_.next_position() + std::ssize(unread_) <= range)
    context_.read(unread_);  // the file must hold the whole answer
  unread_.clear();
  context_.save(path, options_.recipe ? options_.recipe->to_string() : "");
}

}  // namespace pith
