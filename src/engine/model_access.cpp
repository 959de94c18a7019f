#include "engine/model_access.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/learned/pooling.h"
#include "engine/learned/training_store.h"
#include "engine/learned/virtual_tokens.h"
#include "engine/signals/collect.h"
#include "kernels/isa.h"
#include "recipe/scene.h"
#include "recipe/window_attention.h"

namespace pith {
namespace {

// The encoder that a request names, if it does.
std::shared_ptr<const Encoder> encoder_of(const recipe::VirtualRequest& request,
                                          const Engine& engine) {
  if (request.encoder.empty()) return nullptr;
  return std::make_shared<const Encoder>(Encoder::load(request.encoder, engine));
}

VirtualOptions options_of(const recipe::VirtualRequest& request,
                          const std::shared_ptr<const Encoder>& encoder) {
  VirtualOptions options{.ratio = request.ratio,
                         .steps_per_250 = request.steps,
                         .least_steps = request.least_steps,
                         .learning_rate = request.rate,
                         .noise = request.noise,
                         .seed = static_cast<std::uint64_t>(request.seed)};
  if (request.pooling == "mean") options.pooling = Pooling::mean;
  if (request.pooling == "equal_surprisal") options.pooling = Pooling::equal_surprisal;
  if (request.pooling == "attention") options.pooling = Pooling::attention;
  if (request.exempt == "unlike") options.exempt = Exempt::unlike;
  if (request.exempt == "code") options.exempt = Exempt::code;
  if (request.loss == "KV") options.loss = VirtualLoss::keys_and_values;
  if (encoder) options.start.embeddings = starts_of(encoder);
  if (request.loss == "tokens") options.loss = VirtualLoss::tokens;
  return options;
}

// The entries of a lane that stand for tokens from `first` on.
cache::NewEntries entries_from(const cache::Cache& cache, Index lane, Index first) {
  const Index D = cache.shape().head_dim;
  const auto info = cache.read_info(lane);
  std::vector<float> keys(info.size() * static_cast<std::size_t>(D)), values(keys.size());
  cache.read_keys(lane, keys);
  cache.read_values(lane, values);
  std::vector<std::size_t> order;
  for (std::size_t j = 0; j < info.size(); ++j)
    if (info[j].span.begin >= first) order.push_back(j);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(info[a].position, a) < std::pair(info[b].position, b);
  });
  cache::NewEntries out;
  for (const std::size_t j : order) {
    const auto from = static_cast<std::ptrdiff_t>(j) * D;
    out.info.push_back(info[j]);
    out.keys.insert(out.keys.end(), keys.begin() + from, keys.begin() + from + D);
    out.values.insert(out.values.end(), values.begin() + from, values.begin() + from + D);
  }
  return out;
}

// What the question pays to each token of an uncompressed context, by layer [L][T].
std::vector<std::vector<float>> question_attention(const Context& context,
                                                   const recipe::Signals& signals) {
  const recipe::Scene scene(context.cache(), signals, &context.engine().pool());
  if (std::ssize(scene.lanes()) != scene.shape().lanes())
    fail(ErrorCode::bad_recipe,
         "virtual(pooling=attention) needs a model without sliding windows: their layers do not "
         "hold what the question would look at");
  std::vector<std::vector<float>> out(static_cast<std::size_t>(scene.shape().layers));
  for (const Index lane : scene.lanes()) {
    const Index layer = lane / scene.shape().kv_heads, n = scene.size(lane);
    auto& row = out[static_cast<std::size_t>(layer)];
    row.resize(static_cast<std::size_t>(signals.tokens));
    const auto columns =
        recipe::attention_columns(scene, lane, recipe::question_probe(scene, layer));
    for (Index i = 0; i < std::ssize(columns); ++i)
      row[static_cast<std::size_t>(scene.info(lane)[static_cast<std::size_t>(i % n)].span.begin)] +=
          columns[static_cast<std::size_t>(i)];
  }
  return out;
}

// S2's hybrid: turns in the order of their mean surprisal stay whole while the rest, at kRest at
// most, still meets the ratio. Returns which stay, and the ratio of the rest.
struct Hybrid {
  std::vector<bool> whole;
  double ratio = 1;
};
Hybrid choose_whole(const std::vector<std::pair<Index, Index>>& turns,
                    std::span<const float> surprisal, double ratio) {
  constexpr double kRest = 8;
  std::vector<std::pair<double, std::size_t>> order;
  double all = 0, kept = 0;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    double sum = 0;
    for (Index t = turns[i].first; t < turns[i].second; ++t)
      sum += double{surprisal[static_cast<std::size_t>(t)]};
    const auto size = static_cast<double>(turns[i].second - turns[i].first);
    all += size;
    order.emplace_back(-sum / size, i);
  }
  std::sort(order.begin(), order.end());
  Hybrid out{std::vector<bool>(turns.size()), ratio};
  for (const auto& [surprise, i] : order) {
    const auto size = static_cast<double>(turns[i].second - turns[i].first);
    if (kept + size + (all - kept - size) / kRest > all / ratio) continue;
    kept += size;
    out.whole[i] = true;
  }
  if (kept < all) out.ratio = (all - kept) / (all / ratio - kept);
  return out;
}

// The turns of tokens [first, total): which give way, which of them stay whole, and from where the
// newest ones are read exactly behind them.
struct TurnPlan {
  std::vector<std::pair<Index, Index>> turns;
  std::vector<bool> whole;  // of each
  double ratio = 1;         // of those that give way
  Index behind = 0;
};
TurnPlan plan_turns(const recipe::Signals& signals, Index first, Index total,
                    const recipe::VirtualRequest& request) {
  const bool conversation = !signals.turn_starts.empty();
  TurnPlan plan;
  plan.turns = conversation ? turns_between(first, total, signals.turn_starts)
                            : turns_of(first, total, request.turn, signals.sentence_starts);
  const Index exact = conversation ? std::min(request.exact_turns, std::ssize(plan.turns)) : 0;
  const auto left = plan.turns.size() - static_cast<std::size_t>(exact);
  plan.behind = exact > 0 ? plan.turns[left].first : total;
  plan.turns.resize(left);
  Hybrid hybrid{std::vector<bool>(left), request.ratio};
  if (request.whole_turns) hybrid = choose_whole(plan.turns, signals.surprisal, request.ratio);
  plan.whole = std::move(hybrid.whole);
  plan.ratio = hybrid.ratio;
  return plan;
}

// All that decides the optimisation of a context's first turn, but for its tokens.
std::string settings_of(const Engine& engine, const recipe::VirtualRequest& request,
                        const Encoder* encoder, std::span<const Token> prefix) {
  return training_name(
      fmt::format("2|{:x}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", engine.model().hash(),
                  engine.options().numerics == Numerics::exact, to_string(active_isa()),
                  request.ratio, request.steps, request.least_steps, request.rate, request.noise,
                  request.seed, request.pooling, request.loss, request.exempt) +
          (encoder ? encoder_hash(*encoder) : ""),
      prefix);
}

}  // namespace

std::vector<std::pair<Index, Index>> turns_between(Index begin, Index end,
                                                   std::span<const std::int32_t> turn_starts) {
  std::vector<std::pair<Index, Index>> turns;
  for (const std::int32_t start : turn_starts) {
    if (start <= begin || start >= end) continue;
    turns.emplace_back(begin, start);
    begin = start;
  }
  if (begin < end) turns.emplace_back(begin, end);
  return turns;
}

void EngineAccess::renew_window(recipe::Signals& signals) const {
  const Index w = signals.window, D = context_.cache().shape().head_dim;
  for (std::size_t l = 0; l < tail_queries_.size() && w > 0; ++l) {
    auto& own = signals.layers[l].window_queries;
    if (own.empty()) continue;
    const Index rows = std::ssize(tail_queries_[l]) / (signals.query_heads * D);
    const Index taken = std::min(rows, w);
    for (Index h = 0; h < signals.query_heads; ++h)
      std::copy_n(tail_queries_[l].data() + ((h + 1) * rows - taken) * D, taken * D,
                  own.data() + ((h + 1) * w - taken) * D);
  }
}

std::vector<std::pair<Index, Index>> turns_of(Index begin, Index end, Index most,
                                              std::span<const std::int32_t> sentence_starts) {
  std::vector<std::pair<Index, Index>> turns;
  while (begin < end) {
    Index cut = std::min(begin + most, end);
    if (cut < end) {
      const auto after = std::upper_bound(sentence_starts.begin(), sentence_starts.end(), cut);
      if (after != sentence_starts.begin() && *(after - 1) > begin + most / 2) cut = *(after - 1);
    }
    turns.emplace_back(begin, cut);
    begin = cut;
  }
  return turns;
}

void EngineAccess::refuse_compressed() const {
  const cache::Shape& shape = context_.cache().shape();
  const Index total = context_.next_position();
  for (Index lane = 0; lane < shape.lanes(); ++lane)
    if (shape.window(lane / shape.kv_heads) == 0 && context_.cache().size(lane) != total)
      fail(ErrorCode::bad_input,
           fmt::format(
               "virtual reads the context anew, turn by turn, so it must come first; lane {} "
               "holds {} entries of {} tokens: it was compressed before",
               lane, context_.cache().size(lane), total));
}

std::vector<cache::NewEntries> EngineAccess::virtual_entries(
    const recipe::VirtualRequest& request) {
  if (before_ == nullptr) refuse_compressed();
  const std::span<const Token> tokens = context_.tokens();
  const Index total = std::ssize(tokens);
  const Index first = before_ ? before_->next_position() : signals_.prefix_tokens;
  const TurnPlan plan = plan_turns(signals_, first, total, request);
  const auto encoder = encoder_of(request, context_.engine());
  VirtualOptions options = options_of(request, encoder);
  options.ratio = plan.ratio;
  std::vector<std::vector<float>> attention;
  if (options.pooling == Pooling::attention) attention = question_attention(context_, signals_);
  Index all_steps = 0, done = 0;
  for (std::size_t i = 0; i < plan.turns.size(); ++i)
    if (const auto& [begin, end] = plan.turns[i]; !plan.whole[i])
      all_steps += virtual_steps(end - begin, options.steps_per_250, options.least_steps) + 1;

  const auto part = [&](Index begin, Index end) {
    return tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  };
  Context anew = before_ ? before_->fork() : Context(context_.shared_engine());
  if (anew.next_position() < first) anew.read(part(0, first));
  // What the question, the other turns or an earlier compression decide is not found again under
  // the turn's own name.
  const bool named = before_ == nullptr && attention.empty() && !request.whole_turns;
  const TrainingStore* store = named ? context_.engine().training_store() : nullptr;
  std::string name = settings_of(context_.engine(), request, encoder.get(), part(0, first));
  Index number = 0;
  for (const auto& [begin, end] : plan.turns) {
    const Index index = number++;
    if (plan.whole[static_cast<std::size_t>(index)]) {
      anew.read(part(begin, end));
      continue;
    }
    options.attention.clear();
    for (const auto& layer : attention)
      options.attention.emplace_back(layer.begin() + begin, layer.begin() + end);
    name = training_name(name, part(begin, end));
    Checkpoint checkpoint;
    if (store != nullptr) checkpoint = store->checkpoint(name);
    const VirtualReport report = read_as_virtual(
        anew, part(begin, end), index, options,
        [&](Index step, Index steps, float loss) {
          context_.engine().check_stop();
          if (progress_) progress_(++done, all_steps);
          if (store != nullptr && store->on_step())
            store->on_step()(index + 1, std::ssize(plan.turns), step, steps, loss);
          return true;
        },
        checkpoint);
    if (report.failed()) divergence_ = {report.first_loss, report.last_loss, request.ratio};
  }
  if (plan.behind < total) {
    QueryCapture capture(context_.engine(), total - plan.behind);
    anew.read(part(plan.behind, total), &capture);
    tail_queries_ = capture.take();
  }
  std::vector<cache::NewEntries> lanes;
  for (Index lane = 0; lane < anew.cache().shape().lanes(); ++lane)
    lanes.push_back(entries_from(anew.cache(), lane, first));
  return lanes;
}

}  // namespace pith
