#include "engine/model_access.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/pooling.h"
#include "engine/virtual_tokens.h"

namespace pith {
namespace {

VirtualOptions options_of(const recipe::VirtualRequest& request) {
  VirtualOptions options{.ratio = request.ratio,
                         .steps_per_250 = request.steps,
                         .least_steps = request.least_steps,
                         .learning_rate = request.rate,
                         .noise = request.noise,
                         .seed = static_cast<std::uint64_t>(request.seed)};
  if (request.pooling == "mean") options.pooling = Pooling::mean;
  if (request.pooling == "equal_surprisal") options.pooling = Pooling::equal_surprisal;
  if (request.loss == "KV") options.loss = VirtualLoss::keys_and_values;
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

}  // namespace

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
  const Index first = before_ ? before_->next_position() : signals_.prefix_tokens;
  const VirtualOptions options = options_of(request);
  const auto turns = turns_of(first, std::ssize(tokens), request.turn, signals_.sentence_starts);
  Index all_steps = 0, done = 0;
  for (const auto& [begin, end] : turns)
    all_steps += virtual_steps(end - begin, options.steps_per_250, options.least_steps) + 1;

  Context anew = before_ ? before_->fork() : Context(context_.shared_engine());
  if (anew.next_position() < first) anew.read(tokens.first(static_cast<std::size_t>(first)));
  Index number = 0;
  for (const auto& [begin, end] : turns) {
    const auto turn =
        tokens.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    const VirtualReport report =
        read_as_virtual(anew, turn, number++, options, [&](Index, Index, float) {
          context_.engine().check_stop();
          if (progress_) progress_(++done, all_steps);
          return true;
        });
    if (report.diverged || report.last_loss > report.first_loss)
      divergence_ = {report.first_loss, report.last_loss, request.ratio};
  }
  std::vector<cache::NewEntries> lanes;
  for (Index lane = 0; lane < anew.cache().shape().lanes(); ++lane)
    lanes.push_back(entries_from(anew.cache(), lane, first));
  return lanes;
}

}  // namespace pith
