#include "probe/examine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "engine/compress.h"
#include "engine/generate.h"
#include "engine/reading.h"
#include "probe/places.h"
#include "probe/totals.h"
#include "probe/trial.h"

namespace pith::probe {
namespace {

constexpr Index kGraphBytes = Index{1} << 29;  // of the graphs that are filled at once

// One cache to examine, and where its findings go.
struct Arm {
  Context context;
  std::optional<Index> only;  // the one question that a recipe looked at
  ArmReport report;
};

// What tokens received in the prefill: S0's rule, every layer's column sums made to sum to 1 over
// the text, then added up and divided by the number of layers.
std::vector<float> importance_of(const recipe::Signals& signals, std::span<const Index> text) {
  std::vector<float> result(static_cast<std::size_t>(signals.tokens));
  for (const auto& layer : signals.layers) {
    std::vector<double> sums(result.size());
    double total = 0;
    for (Index t : text) {
      for (Index head = 0; head < signals.query_heads; ++head)
        sums[static_cast<std::size_t>(t)] += static_cast<double>(
            layer.attention_sum[static_cast<std::size_t>(head * signals.tokens + t)]);
      total += sums[static_cast<std::size_t>(t)];
    }
    for (std::size_t t = 0; t < result.size() && total > 0; ++t)
      result[t] += static_cast<float>(sums[t] / total / static_cast<double>(signals.layers.size()));
  }
  return result;
}

// What the summaries of a cache lose against the full one, under the queries that were watched.
SummaryLoss summaries_of(const cache::Cache& full, const cache::Cache& cache,
                         const Watched& watched, float scale) {
  SummaryLoss all;
  const cache::Shape& shape = cache.shape();
  const auto D = static_cast<std::size_t>(shape.head_dim);
  for (Index lane = 0; lane < shape.lanes(); ++lane) {
    const auto infos = cache.read_info(lane);
    const auto is_summary = [](const cache::EntryInfo& e) {
      return e.kind == cache::EntryKind::summary;
    };
    if (std::none_of(infos.begin(), infos.end(), is_summary)) continue;
    const auto& queries = watched.queries[static_cast<std::size_t>(lane / shape.kv_heads)];
    const std::size_t group = queries.size() / static_cast<std::size_t>(shape.kv_heads);
    std::vector<float> keys(infos.size() * D),
        source(static_cast<std::size_t>(full.size(lane)) * D);
    cache.read_keys(lane, keys);
    full.read_keys(lane, source);
    for (std::size_t j = 0; j < infos.size(); ++j) {
      if (!is_summary(infos[j])) continue;
      const auto begin = static_cast<std::size_t>(infos[j].span.begin),
                 end = static_cast<std::size_t>(infos[j].span.end);
      all.add(summary_loss(std::span(source).subspan(begin * D, (end - begin) * D),
                           std::span(keys).subspan(j * D, D),
                           std::span(queries).subspan(
                               static_cast<std::size_t>(lane % shape.kv_heads) * group, group),
                           scale, infos[j].log_weight));
    }
  }
  return all;
}

class Examination {
 public:
  Examination(std::shared_ptr<Engine> engine, std::string_view text, const DocumentPrompt& prompt,
              const ExamineOptions& options)
      : engine_(std::move(engine)),
        document_(text),
        prompt_(prompt),
        options_(options),
        full_(engine_) {}

  Report run() {
    read();
    find_questions();
    prepare_full();
    for (std::size_t s = 0; s < options_.series.size(); ++s) compress_series(static_cast<Index>(s));
    examine_all();
    for (auto& arm : arms_) report_.arms.push_back(std::move(arm.report));
    finish_series(report_);
    return std::move(report_);
  }

 private:
  void step(std::string_view name, Index done, Index total) const {
    if (options_.progress) options_.progress(name, done, total);
  }
  Progress show(std::string_view name) const {
    return [this, name](Index done, Index total) { step(name, done, total); };
  }

  void read() {
    recipe::SignalNeeds needs{.attention_sum = true};
    for (const auto& request : options_.arms) needs |= request.recipe.needs();
    ReadOptions read = prompt_.read_options();
    read.progress = show("reading");
    read.replay_progress = show("replaying");
    signals_ = read_document(full_, prompt_.context(), needs, read);
    report_.tokens = std::ssize(prompt_.context());
    report_.prefix = prompt_.prefix_tokens();
    report_.epsilon =
        options_.epsilon > 0 ? options_.epsilon : 0.5 / static_cast<double>(report_.tokens);
    text_tokens_.resize(static_cast<std::size_t>(report_.tokens - report_.prefix));
    std::iota(text_tokens_.begin(), text_tokens_.end(), report_.prefix);
    report_.importance = importance_of(signals_, text_tokens_);
    spans_ = engine_->tokenizer().encode_spans(document_);
    Index shown = 0;  // tokens that share a symbol span it all: the first shows it
    for (const TokenSpan& span : spans_) {
      const Index begin = std::min(std::max(span.begin, shown), span.end);
      report_.text.emplace_back(document_.substr(static_cast<std::size_t>(begin),
                                                 static_cast<std::size_t>(span.end - begin)));
      shown = std::max(shown, span.end);
    }
    Context again(engine_);
    const auto scores = again.read_and_score(prompt_.context(), show("surprisal"));
    report_.surprisal.push_back(0);
    for (float score : scores) report_.surprisal.push_back(-score);
  }

  void find_questions() {
    for (const Question& question : options_.questions) {
      QuestionInfo& info = report_.questions.emplace_back();
      info.text = question.text;
      info.answer = question.answer;
      const auto places =
          question.places ? *question.places : find_places(document_, question.answer);
      for (const Bytes& place : places)
        info.places.push_back(tokens_of(place, spans_, report_.prefix));
      report_.graphs |= options_.graphs && !info.places.empty();
      auto& asked = asked_.emplace_back(
          options_.question_in_text ? prompt_.suffix() : prompt_.question(question.text));
      const auto prefix = engine_->tokenizer().encode(question.answer_prefix);
      asked.insert(asked.end(), prefix.begin(), prefix.end());
      if (!options_.questions_alone) continue;
      Context empty(engine_);
      if (report_.prefix > 0)
        empty.read(std::span(prompt_.context()).first(static_cast<std::size_t>(report_.prefix)));
      info.pooled_alone = read_pooled(empty, asked, std::ssize(asked));
    }
  }

  Index max_tokens(std::size_t question) const {
    return options_.questions[question].max_tokens.value_or(options_.max_tokens);
  }

  Generated answer(const Context& context, std::size_t question) const {
    Context fork = context.fork();
    fork.read(asked_[question]);
    return generate(fork, {.max_tokens = max_tokens(question)});
  }

  Judgement judge(std::size_t question, std::string_view text) const {
    return options_.judge ? options_.judge(static_cast<Index>(question), text)
                          : Judgement::unjudged;
  }

  void prepare_full() {
    for (std::size_t q = 0; q < asked_.size(); ++q) {
      const Generated generated = answer(full_, q);
      trials_.push_back(make_trial(full_, asked_[q], generated.tokens));
      right_uncompressed_.push_back(judge(q, generated.text) == Judgement::right);
    }
    if (options_.replay_tokens > 0)
      replay_ = make_replay(full_, report_.prefix, options_.replay_tokens,
                            prompt_.read_options().answer_prompt);
    Arm& arm = arms_.emplace_back(full_.fork());
    arm.report.recipe = "full";
  }

  // The arms of one series, question by question where its recipe looks at them.
  void compress_series(Index series) {
    std::vector<const ArmRequest*> requests;
    for (const auto& request : options_.arms)
      if (request.series == series) requests.push_back(&request);
    const std::string& name = options_.series[static_cast<std::size_t>(series)];
    const bool looks = !requests.empty() && requests.front()->recipe.sees_question();
    if (looks && asked_.empty())
      fail(ErrorCode::bad_input,
           fmt::format("{}: it looks at the question; ask one with -q", name));
    for (std::size_t q = 0; q < (looks ? asked_.size() : 1); ++q) {
      if (looks) observe_question(full_, asked_[q], signals_);
      Series& made = report_.series.emplace_back();
      made.name = looks ? fmt::format("{} [question {}]", name, q + 1) : name;
      for (const ArmRequest* request : requests) {
        made.arms.push_back(std::ssize(arms_));
        Arm& arm = arms_.emplace_back(full_.fork());
        if (looks) arm.only = static_cast<Index>(q);
        arm.report.series = std::ssize(report_.series) - 1;
        arm.report.request = request - options_.arms.data();
        arm.report.ratio = request->ratio;
        arm.report.recipe = request->recipe.to_string();
        compress(arm.context, request->recipe, signals_);
      }
    }
  }

  void examine_all() {
    for (Arm& arm : arms_) survey(arm);
    const cache::Shape& shape = full_.cache().shape();
    Index extra = 0;
    for (std::size_t q = 0; q < asked_.size(); ++q)
      extra = std::max(extra, std::ssize(asked_[q]) + max_tokens(q) + 1);
    const Index nodes = report_.tokens + extra;
    const Index each = AttentionGraph::bytes_for(shape.layers, shape.kv_heads, nodes);
    const Index batch = report_.graphs ? std::max<Index>(1, kGraphBytes / each) : std::ssize(arms_);
    for (Index first = 0; first < std::ssize(arms_); first += batch) {
      const Index last = std::min(first + batch, std::ssize(arms_));
      std::vector<AttentionGraph> graphs;
      std::vector<PrunedGraph> pruned;
      graphs.reserve(static_cast<std::size_t>(last - first));
      for (Index a = first; report_.graphs && a < last; ++a) {
        graphs.emplace_back(shape.layers, shape.kv_heads, nodes);
        pruned.push_back({&arms_[static_cast<std::size_t>(a)].report.kept, &graphs.back()});
      }
      if (report_.graphs) {
        Context again(engine_);
        PruningWatcher watcher(again, pruned, report_.epsilon);
        again.read(prompt_.context(), &watcher, show("graphs"));
      }
      for (Index a = first; a < last; ++a) {
        step("examining", a, std::ssize(arms_));
        ask(arms_[static_cast<std::size_t>(a)],
            report_.graphs ? &graphs[static_cast<std::size_t>(a - first)] : nullptr);
      }
    }
    step("examining", std::ssize(arms_), std::ssize(arms_));
  }

  // What the cache itself shows.
  void survey(Arm& arm) const {
    ArmReport& report = arm.report;
    const cache::Cache& cache = arm.context.cache();
    report.entries = cache.entries();
    report.bytes = cache.bytes().total();
    report.full_bytes = cache.full_bytes();
    report.kept = kept_sets(cache, report_.tokens);
    Index entries = 0, of = 0;
    for (Index lane : report.kept.lanes()) {
      entries += cache.size(lane);
      of += report_.tokens;
    }
    report.removed = of > 0 ? 1 - static_cast<double>(entries) / static_cast<double>(of) : 0;
    report.eviction = share_gone(report.kept, text_tokens_);
    report.ger_proxy = ger_proxy(report.kept, text_tokens_, report_.importance);
    report.surprisal_gone = weight_gone(report.kept, text_tokens_, report_.surprisal);
    report.overlap = overlap(report.kept, text_tokens_);
    report.routes = effective_routes(report.kept, text_tokens_);
  }

  // What a model does with it.
  void ask(Arm& arm, AttentionGraph* graph) {
    ArmReport& report = arm.report;
    for (std::size_t q = 0; q < asked_.size(); ++q) {
      if (arm.only && *arm.only != static_cast<Index>(q)) continue;
      report.questions.push_back(ask_one(arm, q, graph));
      report.answers.add(report.questions.back().fidelity);
    }
    if (replay_) {
      report.replay = run_trial(*replay_, arm.context);
      if (asked_.empty())
        watch(arm, replay_->tokens(), std::ssize(replay_->prompt), {}, nullptr, 1);
    }
    finish_arm(report_, report);
  }

  // Reads a text into a fork and adds what the heads did to the arm's means.
  Watched watch(Arm& arm, std::span<const Token> tokens, Index prompt_tokens,
                std::span<const Index> targets, AttentionGraph* graph, double share,
                std::vector<float>* pooled = nullptr) const {
    Context fork = arm.context.fork();
    Watcher watcher(fork, std::ssize(tokens),
                    {.first = report_.tokens + prompt_tokens - 1,
                     .targets = targets,
                     .graph = graph,
                     .epsilon = report_.epsilon});
    auto states = read_pooled(fork, tokens, prompt_tokens, &watcher);
    if (pooled) *pooled = std::move(states);
    Watched watched = watcher.finish();
    arm.report.watched.add(watched, share);
    arm.report.summaries.add(summaries_of(full_.cache(), arm.context.cache(), watched,
                                          engine_->config().attention_scale));
    return watched;
  }

  AnswerReport ask_one(Arm& arm, std::size_t q, AttentionGraph* graph) const {
    const QuestionInfo& info = report_.questions[q];
    const Generated generated = answer(arm.context, q);
    AnswerReport result{.question = static_cast<Index>(q), .text = generated.text};
    result.judgement = judge(q, generated.text);
    std::vector<Index> targets;
    for (const auto& place : info.places) targets.insert(targets.end(), place.begin(), place.end());

    std::vector<Token> tokens = asked_[q];
    tokens.insert(tokens.end(), generated.tokens.begin(), generated.tokens.end());
    if (graph) graph->clear_from(report_.tokens);
    const auto asked = static_cast<double>(arm.report.questions.size() + 1);
    const Watched watched =
        watch(arm, tokens, std::ssize(asked_[q]), targets, graph, 1 / asked, &result.pooled);
    result.answer_mass = watched.target_mass;
    result.fidelity = run_trial(trials_[q], arm.context);

    std::vector<Index> from;  // the question's last token and the answer
    for (Index t = report_.tokens + std::ssize(asked_[q]) - 1;
         t < report_.tokens + std::ssize(tokens); ++t)
      from.push_back(t);
    std::vector<std::uint8_t> reached;  // none without a graph
    if (!targets.empty()) {
      result.ger = share_gone(arm.report.kept, targets);
      result.all_gone = all_gone(arm.report.kept, targets);
      if (graph) {
        reached = graph->reached(from);
        // Only what is kept can be read: the graph has no columns for the rest.
        result.reachable = std::any_of(targets.begin(), targets.end(), [&](Index t) {
          return reached[static_cast<std::size_t>(t)] != 0;
        });
        result.direct_routes = graph->direct_routes(from, targets);
        result.disjoint_routes = graph->disjoint_routes(from, targets);
      }
    }
    result.outcome = classify(arm.report.kept, {.right = result.judgement == Judgement::right,
                                                .right_uncompressed = right_uncompressed_[q],
                                                .places = info.places,
                                                .reached = reached});
    return result;
  }

  std::shared_ptr<Engine> engine_;
  std::string_view document_;
  const DocumentPrompt& prompt_;
  const ExamineOptions& options_;
  Context full_;
  recipe::Signals signals_;
  std::vector<TokenSpan> spans_;           // of the text
  std::vector<Index> text_tokens_;         // of the context: the text without its frame
  std::vector<std::vector<Token>> asked_;  // questions with their frames
  std::vector<Trial> trials_;              // one per question
  std::optional<Trial> replay_;
  std::vector<bool> right_uncompressed_;
  std::vector<Arm> arms_;
  Report report_;
};

}  // namespace

Report examine(const std::shared_ptr<Engine>& engine, std::string_view text,
               const DocumentPrompt& prompt, const ExamineOptions& options) {
  return Examination(engine, text, prompt, options).run();
}

}  // namespace pith::probe
