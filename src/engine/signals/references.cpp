#include "engine/signals/references.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "engine/generate.h"
#include "engine/signals/observer.h"
#include "engine/signals/query_sample.h"

namespace pith {
namespace {

constexpr std::array<std::string_view, 4> kStudies = {
    "\n\nSummarize the context above. Keep names and numbers.",
    "\n\nList everything in the context that belongs together, such as the facts about each "
    "person, "
    "place or item.",
    "\n\nWrite the information of the context as one JSON object.",
    "\n\nAsk three questions that only someone who has read the context can answer, and answer "
    "them."};
// As the method's authors sample them.
constexpr Sampling kStudySampling = {.temperature = 0.7, .top_k = 20, .top_p = 0.8};

class SampleObserver final : public ReadObserver {
 public:
  SampleObserver(QuerySamples& samples, Index first_row) : samples_(samples), row_(first_row) {}
  void begin_chunk(Index /*first*/, Index rows) override {
    row_ += rows_;
    rows_ = rows;
  }
  void rotated(Index layer, std::span<const float> queries) override {
    samples_.take({layer, row_, queries});
  }

 private:
  QuerySamples& samples_;
  Index row_, rows_ = 0;
};

// Leaves the prefix and what stands for tokens of [begin, end), as it is stored.
cache::Plan keep_part(const cache::Cache& cache, Index prefix, Index begin, Index end) {
  cache::Plan plan;
  for (Index lane = 0; lane < cache.shape().lanes(); ++lane) {
    auto& own = plan.lanes.emplace_back();
    const auto info = cache.read_info(lane);
    const auto formats = cache.read_formats(lane);
    for (std::size_t j = 0; j < info.size(); ++j) {
      const cache::Span span = info[j].span;
      if (span.end > prefix && (span.end <= begin || span.begin >= end)) continue;
      own.keep.push_back(static_cast<std::int32_t>(j));
      own.formats.push_back(formats[j]);
    }
  }
  return plan;
}

}  // namespace

recipe::ReferenceQueries read_references(const Context& context,
                                         std::span<const recipe::ReferenceText> texts, Index count,
                                         Index prefix, bool with_surprisal) {
  Index rows = 0;
  for (const auto& text : texts) rows += std::ssize(text.tokens);
  QuerySamples samples(context.engine().config(), rows, std::span(&count, 1));
  std::vector<float> surprisal;
  Index row = 0;
  for (const auto& text : texts) {
    Context fork = context.fork();
    if (text.begin > prefix || text.end < context.next_position())
      fork.cache().apply(keep_part(fork.cache(), prefix, text.begin, text.end));
    SampleObserver observer(samples, row);
    row += std::ssize(text.tokens);
    if (!with_surprisal) {
      fork.read(text.tokens, &observer);
      continue;
    }
    const auto scores = fork.read_and_score(text.tokens, {}, &observer);
    for (float score : scores) surprisal.push_back(-score);
    // Nothing is known of what the last token predicts.
    surprisal.push_back(scores.empty() ? 0
                                       : -std::reduce(scores.begin(), scores.end()) /
                                             static_cast<float>(scores.size()));
  }
  return std::move(samples.finish(surprisal).front());
}

void join_queries(recipe::ReferenceQueries& to, const recipe::ReferenceQueries& more, Index heads) {
  for (std::size_t l = 0; l < to.queries.size(); ++l) {
    const auto first = std::ssize(to.queries[l]) / heads,
               second = std::ssize(more.queries[l]) / heads;
    std::vector<float> joined;
    joined.reserve(to.queries[l].size() + more.queries[l].size());
    for (Index h = 0; h < heads; ++h) {
      const auto own = to.queries[l].begin() + h * first;
      const auto added = more.queries[l].begin() + h * second;
      joined.insert(joined.end(), own, own + first);
      joined.insert(joined.end(), added, added + second);
    }
    to.queries[l] = std::move(joined);
  }
  to.count += more.count;
  to.surprisal.insert(to.surprisal.end(), more.surprisal.begin(), more.surprisal.end());
}

std::vector<recipe::ReferenceText> study_texts(const Context& context, Index prefix,
                                               std::span<const Token> answer_prompt, Index seed) {
  std::vector<recipe::ReferenceText> texts;
  std::vector<Context> forks;
  for (const std::string_view study : kStudies) {
    auto& text = texts.emplace_back();
    text.begin = prefix;
    text.end = context.next_position();
    text.tokens = context.engine().tokenizer().encode(study);
    text.tokens.insert(text.tokens.end(), answer_prompt.begin(), answer_prompt.end());
    forks.push_back(context.fork());
    forks.back().read(text.tokens);
  }
  GenerateOptions options{.max_tokens = kStudyTokens, .sampling = kStudySampling, .stop = {}};
  options.sampling.seed = static_cast<std::uint64_t>(seed);
  const auto written = generate_together(forks, options);
  for (std::size_t i = 0; i < texts.size(); ++i)
    texts[i].tokens.insert(texts[i].tokens.end(), written[i].tokens.begin(),
                           written[i].tokens.end());
  return texts;
}

Index longest_study(const Engine& engine, std::span<const Token> answer_prompt) {
  Index longest = 0;
  for (const std::string_view study : kStudies)
    longest = std::max(longest, std::ssize(engine.tokenizer().encode(study)));
  return longest + std::ssize(answer_prompt) + kStudyTokens;
}

void finish_study(const Context& context, std::vector<recipe::ReferenceText> texts,
                  recipe::StudySignals& study, const recipe::Signals& signals) {
  join_queries(study.references,
               read_references(context, texts, study.kind.queries - study.replayed,
                               signals.prefix_tokens, !signals.surprisal.empty()),
               signals.query_heads);
  study.texts = std::move(texts);
}

}  // namespace pith
