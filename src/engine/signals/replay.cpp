#include "engine/signals/replay.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "engine/reading.h"
#include "engine/signals/observer.h"
#include "engine/signals/query_sample.h"
#include "engine/signals/replay_gradient.h"
#include "kernels/vector.h"

namespace pith {
namespace {

constexpr std::string_view kFirstPrompt = "\n\nRepeat the previous context exactly.";
constexpr std::string_view kNextPrompt =
    "\n\nRepeat the part of the previous context exactly, starting with";
constexpr Index kQuotedTokens = 8;  // of the chunk before, to say where to go on

// Watches the replay of one chunk. Rows are renormalised over {sinks, chunk, replay}: with
// attention restricted to that set the softmax would be the same.
class ReplayObserver final : public ReadObserver, private cache::AttentionTap {
 public:
  struct Lane {        // where the parts of the set lie in a lane, as entries
    Index sinks = 0;   // [0, sinks)
    Index chunk = 0;   // [chunk, chunk + length)
    Index replay = 0;  // [replay, n)
  };

  // `wanted` says which scores are; `samples` take the queries as rows `first_row`, ... of all that
  // is replayed. `gradients` [L][rows], if there are any, weigh the rows in place of 1 /
  // ||hidden||, and the scores are those of replay_gradient.
  ReplayObserver(const Context& context, const ReplayOptions& wanted, Index length,
                 std::vector<Lane> lanes, QuerySamples& samples, Index first_row,
                 std::vector<std::vector<float>> gradients)
      : context_(context),
        plain_(wanted.plain && !wanted.gradients),
        plus_(wanted.plus || wanted.gradients),
        length_(length),
        lanes_(std::move(lanes)),
        samples_(samples),
        row_(first_row),
        first_row_(first_row),
        gradients_(std::move(gradients)),
        heads_(context.engine().config().query_heads),
        layers_(context.cache().shape().layers),
        threads_(static_cast<std::size_t>(context.engine().pool().size())),
        best_(static_cast<std::size_t>(layers_)) {}

  bool wants_unrotated() const override { return plus_; }

  void begin_chunk(Index /*first*/, Index rows) override {
    row_ += rows_;
    rows_ = rows;
  }

  void rotated(Index layer, std::span<const float> queries) override {
    samples_.take({layer, row_, queries});
  }

  void unrotated(Index layer, std::span<const float> hidden,
                 std::span<const float> /*queries*/) override {
    const Index E = context_.engine().config().width;
    row_scale_.resize(hidden.size() / static_cast<std::size_t>(E));
    if (!gradients_.empty()) {
      const auto& norms = gradients_[static_cast<std::size_t>(layer)];
      std::copy_n(norms.begin() + row_ - first_row_, row_scale_.size(), row_scale_.begin());
      return;
    }
    for (std::size_t r = 0; r < row_scale_.size(); ++r) {
      const float* row = hidden.data() + static_cast<Index>(r) * E;
      row_scale_[r] = 1.0f / std::sqrt(std::max(vector_kernels().dot(row, row, E), 1e-20f));
    }
  }

  cache::AttentionTap* tap(Index /*layer*/) override { return plain_ || plus_ ? this : nullptr; }

  void end_layer(Index layer) override {
    auto& best = best_[static_cast<std::size_t>(layer)];
    resize(best);
    for (auto& thread : threads_) {
      if (!thread.used) continue;
      raise(best.plain, thread.best.plain);
      raise(best.scaled, thread.best.scaled);
      thread = {};
    }
  }

  // Writes the chunk's scores to the signals, at source tokens [begin, begin + length).
  void finish(Index begin, recipe::Signals& signals) {
    Engine& engine = context_.engine();
    const Index group = engine.config().group(), kv_heads = engine.config().kv_heads,
                D = engine.config().head_dim;
    for (Index l = 0; l < layers_; ++l) {
      const auto& best = best_[static_cast<std::size_t>(l)];
      auto& out = signals.layers[static_cast<std::size_t>(l)];
      for (Index h = 0; h < kv_heads && plain_; ++h)
        for (Index g = 0; g < group; ++g)
          for (Index j = 0; j < length_; ++j) {
            float& to = out.replay[static_cast<std::size_t>(h * signals.tokens + begin + j)];
            to = std::max(to, best.plain[static_cast<std::size_t>((h * group + g) * length_ + j)]);
          }
      for (Index h = 0; h < kv_heads && plus_; ++h) {
        const Index lane = context_.cache().shape().lane(l, h);
        std::vector<float> values(static_cast<std::size_t>(context_.cache().size(lane) * D)),
            norms(static_cast<std::size_t>(group * length_));
        context_.cache().read_values(lane, values);
        engine.projected_value_norms(
            l, h,
            std::span(values).subspan(
                static_cast<std::size_t>(lanes_[static_cast<std::size_t>(lane)].chunk * D),
                static_cast<std::size_t>(length_ * D)),
            norms);
        for (Index g = 0; g < group; ++g)
          for (Index j = 0; j < length_; ++j) {
            const auto from = static_cast<std::size_t>((h * group + g) * length_ + j);
            const auto to = static_cast<std::size_t>(h * signals.tokens + begin + j);
            auto& scaled = gradients_.empty() ? out.replay_plus : out.replay_gradient;
            scaled[to] = std::max(
                scaled[to], best.scaled[from] * norms[static_cast<std::size_t>(g * length_ + j)]);
          }
      }
    }
  }

 private:
  struct Best {
    std::vector<float> plain, scaled;  // [Hq, length], where they are wanted
  };
  struct ThreadBest {
    Best best;
    bool used = false;
  };

  void resize(Best& best) const {
    const auto size = static_cast<std::size_t>(heads_ * length_);
    if (plain_) best.plain.resize(size);
    if (plus_) best.scaled.resize(size);
  }

  // What a row of weights gives to the set: often little beside what lies outside, so that 1 less
  // the rest would not do.
  static float in_set(const float* weights, Index entries, const Lane& lane, Index length) {
    const auto sum = vector_kernels().sum;
    return sum(weights, lane.sinks) + sum(weights + lane.chunk, length) +
           sum(weights + lane.replay, entries - lane.replay);
  }

  static void raise(std::vector<float>& to, const std::vector<float>& from) {
    vector_kernels().raise(1.0f, from.data(), std::ssize(from), to.data());
  }

  void observe(const cache::WeightBlock& block) override {
    const Lane& lane =
        lanes_[static_cast<std::size_t>(context_.cache().shape().lane(block.layer, block.kv_head))];
    auto& thread = threads_[static_cast<std::size_t>(block.thread)];
    resize(thread.best);
    thread.used = true;
    const VectorKernels& kernels = vector_kernels();
    for (Index r = 0; r < block.queries * block.group; ++r) {
      const float* weights = block.weights + r * block.stride;
      const float total = in_set(weights, block.entries, lane, length_);
      if (!(total > 0)) continue;
      const Index head = block.kv_head * block.group + r % block.group;
      const float* chunk = weights + lane.chunk;
      if (plain_)
        kernels.raise(1 / total, chunk, length_, thread.best.plain.data() + head * length_);
      if (!plus_) continue;
      const float row = row_scale_[static_cast<std::size_t>(block.first_query + r / block.group)];
      kernels.raise(row / total, chunk, length_, thread.best.scaled.data() + head * length_);
    }
  }

  const Context& context_;
  bool plain_, plus_;
  Index length_;             // tokens of the chunk
  std::vector<Lane> lanes_;  // [lanes]
  QuerySamples& samples_;
  Index row_, first_row_, rows_ = 0;  // of the block at hand
  std::vector<std::vector<float>> gradients_;
  Index heads_, layers_;
  std::vector<ThreadBest> threads_;
  std::vector<Best> best_;        // [L]
  std::vector<float> row_scale_;  // [R]
};

// What the replay of a chunk sees of a context.
struct View {
  std::optional<cache::Plan> plan;  // keeps that; none: it is everything
  std::vector<ReplayObserver::Lane> lanes;
};

// Of a context that was never compressed, prefix and chunk, or everything: entries are tokens.
View view_of_whole(const Context& context, const ReplayChunk& chunk, const ReplayOptions& options) {
  const Index lanes = context.cache().shape().lanes(), prefix = options.prefix_tokens,
              tokens = context.next_position(), length = chunk.end - chunk.begin;
  const bool bounded = !options.whole_context && length + prefix < tokens;
  const Index before = bounded ? prefix : chunk.begin, seen = bounded ? prefix + length : tokens;
  View view;
  view.lanes.assign(static_cast<std::size_t>(lanes),
                    {.sinks = std::min(options.sinks, before), .chunk = before, .replay = seen});
  if (!bounded) return view;
  cache::LanePlan plan;
  plan.format = context.engine().cache_format();
  for (Index j = 0; j < prefix; ++j) plan.keep.push_back(static_cast<std::int32_t>(j));
  for (Index j = std::max(prefix, chunk.begin); j < chunk.end; ++j)
    plan.keep.push_back(static_cast<std::int32_t>(j));
  view.plan.emplace().lanes.assign(static_cast<std::size_t>(lanes), plan);
  return view;
}

// Of a context whose newest tokens are the chunk, whole in every lane: these, and what is left of
// the prefix.
View view_of_newest(const Context& context, const ReplayChunk& chunk,
                    const ReplayOptions& options) {
  View view;
  auto& plan = view.plan.emplace();
  for (Index i = 0; i < context.cache().shape().lanes(); ++i) {
    auto& own = plan.lanes.emplace_back();
    auto& lane = view.lanes.emplace_back();
    own.format = context.engine().cache_format();
    const auto info = context.cache().read_info(i);
    const Index older = std::max<Index>(std::ssize(info) - (chunk.end - chunk.begin), 0);
    for (Index j = 0; j < std::ssize(info); ++j) {
      const cache::Span span = info[static_cast<std::size_t>(j)].span;
      if (j < older && span.end > options.prefix_tokens) continue;
      own.keep.push_back(static_cast<std::int32_t>(j));
      if (j < older) ++lane.chunk;
      if (j < older && span.begin < options.sinks) ++lane.sinks;
    }
    lane.replay = std::ssize(own.keep);
  }
  return view;
}

// Samples of the queries of all chunks, one after another: for each need of them, then each study's
// part.
QuerySamples samples_for(const ModelConfig& config, const ReplayOptions& options,
                         std::span<const ReplayChunk> chunks) {
  Index rows = 0;
  for (const auto& chunk : chunks) rows += std::ssize(chunk.tokens);
  std::vector<Index> wanted = options.queries;
  for (const auto& study : options.studies) wanted.push_back(study.queries / 2);
  return {config, rows, wanted};
}

// Of what each row of the chunks predicts: of the document's token behind it; of rows that are
// followed by none, the mean over what is repeated (of other tokens it may not be known). Empty if
// the document's is not known.
std::vector<float> repeated_surprisal(std::span<const ReplayChunk> chunks,
                                      std::span<const float> surprisal) {
  if (surprisal.empty() || chunks.empty()) return {};
  const Index begin = chunks.front().begin, end = chunks.back().end;
  const float mean = std::reduce(surprisal.begin() + begin, surprisal.begin() + end) /
                     static_cast<float>(end - begin);
  std::vector<float> out;
  for (const auto& chunk : chunks) {
    // The last rows of a chunk are its document tokens.
    const Index prompt = std::ssize(chunk.tokens) - (chunk.end - chunk.begin);
    for (Index row = 0; row < std::ssize(chunk.tokens); ++row) {
      const Index next = chunk.begin + row + 1 - prompt;
      out.push_back(next < chunk.begin || next >= chunk.end
                        ? mean
                        : surprisal[static_cast<std::size_t>(next)]);
    }
  }
  return out;
}

void keep_queries(QuerySamples& samples, const ReplayOptions& options,
                  std::span<const ReplayChunk> chunks, recipe::Signals& signals) {
  if (samples.empty()) return;
  signals.replay_texts.assign(chunks.begin(), chunks.end());
  signals.replay_queries = samples.finish(repeated_surprisal(chunks, signals.surprisal));
  const auto first = signals.replay_queries.begin() + std::ssize(options.queries);
  for (auto part = first; part != signals.replay_queries.end(); ++part) {
    const auto& kind = options.studies[static_cast<std::size_t>(part - first)];
    const Index replayed = part->count;
    signals.studies.push_back(
        {.kind = kind, .references = std::move(*part), .replayed = replayed, .texts = {}});
  }
  signals.replay_queries.erase(first, signals.replay_queries.end());
}

// Repeats each chunk on a fork that sees its view and no more.
void repeat(const Context& context, std::span<const ReplayChunk> chunks,
            const ReplayOptions& options, recipe::Signals& signals,
            View view_of(const Context&, const ReplayChunk&, const ReplayOptions&)) {
  if (!options.gradients) signals.replay_chunk = options.chunk;
  Index total = 0, done = 0;
  for (const auto& chunk : chunks) total += std::ssize(chunk.tokens);
  QuerySamples samples = samples_for(context.engine().config(), options, chunks);
  for (const auto& chunk : chunks) {
    Context fork = context.fork();
    View view = view_of(fork, chunk, options);
    if (view.plan) fork.cache().apply(*view.plan);
    ReplayObserver observer(fork, options, chunk.end - chunk.begin, std::move(view.lanes), samples,
                            done,
                            options.gradients ? replay_gradients(fork, chunk.tokens)
                                              : std::vector<std::vector<float>>{});
    fork.read(chunk.tokens, &observer, [&](Index now, Index) {
      if (options.progress) options.progress(done + now, total);
    });
    observer.finish(chunk.begin, signals);
    done += std::ssize(chunk.tokens);
  }
  keep_queries(samples, options, chunks, signals);
}

}  // namespace

ReplayChunk replay_chunk(const Engine& engine, std::span<const Token> context, Index begin,
                         Index end, const ReplayOptions& options) {
  ReplayChunk chunk{.begin = begin, .end = end, .tokens = {}};
  chunk.tokens =
      engine.tokenizer().encode(begin == options.prefix_tokens ? kFirstPrompt : kNextPrompt);
  const auto append = [&](auto first, auto last) {
    chunk.tokens.insert(chunk.tokens.end(), first, last);
  };
  if (begin > options.prefix_tokens)
    append(context.begin() + std::max(options.prefix_tokens, begin - kQuotedTokens),
           context.begin() + begin);
  append(options.answer_prompt.begin(), options.answer_prompt.end());
  append(context.begin() + chunk.begin, context.begin() + chunk.end);
  return chunk;
}

std::vector<ReplayChunk> replay_chunks(const Engine& engine, std::span<const Token> context,
                                       const ReplayOptions& options) {
  std::vector<ReplayChunk> chunks;
  const auto total = static_cast<Index>(context.size());
  for (Index begin = options.prefix_tokens; begin < total; begin += options.chunk)
    chunks.push_back(
        replay_chunk(engine, context, begin, std::min(total, begin + options.chunk), options));
  return chunks;
}

ReplayOptions replay_options(const recipe::SignalNeeds& needs, const ReadOptions& options) {
  return {.prefix_tokens = options.prefix_tokens,
          .chunk = needs.replay_chunk > 0 ? needs.replay_chunk : recipe::kReplayChunk,
          .plain = needs.replay,
          .plus = needs.replay_plus,
          .answer_prompt = options.answer_prompt,
          .queries = needs.replay_queries,
          .studies = needs.studies,
          .progress = options.replay_progress};
}

void replay(const Context& context, const ReplayOptions& options, recipe::Signals& signals) {
  const auto size = static_cast<std::size_t>(context.cache().shape().kv_heads * signals.tokens);
  for (auto& layer : signals.layers) {
    if (options.gradients) {
      layer.replay_gradient.assign(size, 0.0f);
      continue;
    }
    if (options.plain) layer.replay.assign(size, 0.0f);
    if (options.plus) layer.replay_plus.assign(size, 0.0f);
  }
  repeat(context, replay_chunks(context.engine(), context.tokens(), options), options, signals,
         view_of_whole);
}

void replay_newest(const Context& context, Index begin, const ReplayOptions& options,
                   recipe::Signals& signals) {
  const ReplayChunk chunk =
      replay_chunk(context.engine(), context.tokens(), begin, context.next_position(), options);
  repeat(context, std::span(&chunk, 1), options, signals, view_of_newest);
}

}  // namespace pith
