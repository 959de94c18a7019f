#include "engine/learned/encoder_training.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "base/stopwatch.h"
#include "engine/learned/safetensors.h"
#include "engine/learned/training_store.h"
#include "engine/model_access.h"
#include "engine/prompt.h"
#include "kernels/isa.h"
#include "model/gradient.h"

namespace pith {
namespace {

constexpr Index kWarmup = 50;       // steps until the learning rate is reached
constexpr float kMemory = 0.98f;    // of the running mean of losses
constexpr Index kShortestPart = 8;  // turns are drawn from turn / kShortestPart to turn tokens
constexpr std::string_view kFormat = "pith encoder training 1";

// A text as turns on top of its chat prefix.
struct TurnedText {
  std::vector<Token> tokens;
  Index prefix = 0;
  std::vector<std::pair<Index, Index>> turns;

  TurnedText(const Engine& engine, std::string_view text, Index most) {
    const DocumentPrompt prompt(engine, text);
    tokens = prompt.context();
    prefix = prompt.prefix_tokens();
    turns = turns_of(prefix, std::ssize(tokens), most, prompt.read_options().sentence_starts);
  }
  std::span<const Token> part(Index begin, Index end) const {
    return std::span(tokens).subspan(static_cast<std::size_t>(begin),
                                     static_cast<std::size_t>(end - begin));
  }
};

VirtualOptions without_steps(const EncoderTraining& options) {
  return {.ratio = options.ratio, .steps_per_250 = 0, .least_steps = 0};
}

// All that decides the weights.
std::string settings_of(const Engine& engine, const std::vector<std::string>& texts,
                        const EncoderTraining& options) {
  std::uint64_t hash = 0;
  for (const std::string& text : texts) hash = XXH3_64bits_withSeed(text.data(), text.size(), hash);
  const EncoderShape& s = options.shape;
  return fmt::format("{:x}|{}|{}|{:x}|{}|{}|{}|{}|{}|{}|{},{},{},{},{},{}", engine.model().hash(),
                     engine.options().numerics == Numerics::exact, to_string(active_isa()), hash,
                     options.ratio, options.steps, options.rate, options.turn, options.seed,
                     options.distil, s.width, s.ff, s.heads, s.layers, s.reach, s.places);
}

// The root mean square of the embeddings of a text's tokens.
float embedding_scale(const Engine& engine, const std::string& text) {
  const auto rows = token_embeddings(engine.model(), engine.tokenizer().encode(text));
  double squares = 0;
  for (const float x : rows) squares += double{x} * x;
  return static_cast<float>(std::sqrt(squares / static_cast<double>(rows.size())));
}

class EncoderTrainer {
 public:
  EncoderTrainer(const std::shared_ptr<Engine>& engine, const std::vector<std::string>& texts,
                 const EncoderTraining& options, const OnTraining& on_step)
      : engine_(engine),
        texts_(texts),
        options_(options),
        on_step_(on_step),
        settings_(settings_of(*engine, texts, options)),
        weights_(EncoderWeights::untrained(options.shape, embedding_scale(*engine, texts[0]),
                                           options.seed)),
        adam_(weights_.values.size()),
        pass_(weights_) {
    if (!options.checkpoint.empty() && std::filesystem::exists(options.checkpoint)) go_on();
  }

  const EncoderWeights& run() {
    Stopwatch kept;
    while (step_ < options_.steps) {
      read(texts_[static_cast<std::size_t>(text_of(document_))]);
      ++document_;
      const bool due = kept.seconds() > options_.checkpoint_seconds;
      if (options_.checkpoint.empty() || !(due || step_ >= options_.steps)) continue;
      keep();
      kept = {};
    }
    return weights_;
  }

 private:
  // Every text once, in an order that is drawn anew, then all again.
  Index text_of(Index document) const {
    const Index count = std::ssize(texts_);
    std::vector<Index> order(texts_.size());
    std::iota(order.begin(), order.end(), 0);
    Rng rng(options_.seed + static_cast<std::uint64_t>(document / count) * 7919);
    rng.shuffle(order);
    return order[static_cast<std::size_t>(document % count)];
  }

  void read(const std::string& text) {
    Rng rng(options_.seed * 100003 + static_cast<std::uint64_t>(document_));
    const Index least = std::max<Index>(options_.turn / kShortestPart, 1);
    const TurnedText turned(*engine_, text, least + rng.below(options_.turn - least + 1));
    Context context(engine_);
    context.read(turned.part(0, turned.prefix));
    name_ = training_name(distilled_settings(), turned.part(0, turned.prefix));
    for (std::size_t i = 0; i < turned.turns.size() && step_ < options_.steps; ++i) {
      const auto turn = turned.part(turned.turns[i].first, turned.turns[i].second);
      const float loss = options_.distil > 0 ? distil(context, turn, static_cast<Index>(i))
                                             : descend(context, turn, static_cast<Index>(i));
      if (!std::isfinite(loss))
        fail(ErrorCode::bad_input,
             fmt::format("the loss is no number after {} steps: the training diverged; train anew "
                         "with a learning rate below {}",
                         step_, options_.rate));
      mean_loss_ = step_ == 0 ? loss : kMemory * mean_loss_ + (1 - kMemory) * loss;
      ++step_;
      if (on_step_) on_step_(step_, options_.steps, mean_loss_);
    }
  }

  // S2's loss through the frozen model.
  float descend(Context& context, std::span<const Token> turn, Index number) {
    VirtualOptions options = without_steps(options_);
    options.start.embeddings = [&](const TurnRows& rows) { return pass_.forward(rows); };
    std::vector<float> gradient(weights_.values.size());
    options.start.learn = [&](std::span<const float> d) { pass_.backward(d, gradient); };
    const VirtualReport report = read_as_virtual(context, turn, number, options,
                                                 [&](Index, Index, float) { return stop_asked(); });
    if (std::isfinite(report.first_loss)) learn(gradient);
    return report.first_loss;
  }

  // Distance to what the optimisation makes of the plain means, in units of the embeddings' scale.
  float distil(Context& context, std::span<const Token> turn, Index number) {
    name_ = training_name(name_, turn);
    std::optional<TrainingStore> store;
    std::optional<TrainingState> found;
    if (!options_.vectors.empty()) found = store.emplace(options_.vectors).find(name_);
    std::vector<float> starts, goal;
    VirtualOptions options = without_steps(options_);
    if (!found) options.steps_per_250 = options_.distil;
    options.start.embeddings = [&](const TurnRows& rows) {
      starts = pass_.forward(rows);
      return found ? found->numbers : std::vector<float>{};
    };
    Checkpoint checkpoint;  // heard once, at the end
    checkpoint.seconds = std::numeric_limits<double>::infinity();
    checkpoint.keep = [&](const TrainingState& state) {
      goal = state.numbers;
      if (store) store->keep(name_, state);
    };
    const VirtualReport report = read_as_virtual(
        context, turn, number, options, [&](Index, Index, float) { return stop_asked(); },
        checkpoint);
    if (report.diverged) return report.last_loss;
    return approach(found ? found->numbers : goal, starts);
  }

  float approach(std::span<const float> goal, std::span<const float> starts) {
    std::vector<float> dstarts(starts.size()), gradient(weights_.values.size());
    const float unit = 1 / (weights_.scale * weights_.scale * static_cast<float>(starts.size()));
    double loss = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const float error = starts[i] - goal[i];
      loss += double{unit} * error * error;
      dstarts[i] = 2 * unit * error;
    }
    pass_.backward(dstarts, gradient);
    if (std::isfinite(loss)) learn(gradient);
    return static_cast<float>(loss);
  }

  void learn(std::span<const float> gradient) {
    const double warm = std::min(1.0, static_cast<double>(step_ + 1) / kWarmup),
                 left = 1 - static_cast<double>(step_) / static_cast<double>(options_.steps);
    adam_.step(gradient, options_.rate * warm * left, weights_.values);
  }

  bool stop_asked() const {
    engine_->check_stop();
    return true;
  }

  std::string distilled_settings() const {
    return fmt::format("encoder|{:x}|{}|{}|{}|{}", engine_->model().hash(),
                       engine_->options().numerics == Numerics::exact, to_string(active_isa()),
                       options_.ratio, options_.distil);
  }

  void keep() const {
    Safetensors out;
    out.metadata = {{"format", std::string(kFormat)},
                    {"settings", settings_},
                    {"step", fmt::format("{}", step_)},
                    {"document", fmt::format("{}", document_)},
                    {"first_power", fmt::format("{}", adam_.first_power)},
                    {"second_power", fmt::format("{}", adam_.second_power)}};
    const Index n = std::ssize(weights_.values);
    out.tensors["weights"] = {{n}, weights_.values};
    out.tensors["adam.first"] = {{n}, adam_.first};
    out.tensors["adam.second"] = {{n}, adam_.second};
    out.tensors["mean_loss"] = {{}, {mean_loss_}};
    out.save(options_.checkpoint);
  }

  void go_on() {
    const std::string file = options_.checkpoint.string();
    const Safetensors in = Safetensors::load(options_.checkpoint);
    const auto format = in.metadata.find("format");
    if (format == in.metadata.end() || format->second != kFormat ||
        in.text("settings", file) != settings_)
      fail(
          ErrorCode::bad_input,
          fmt::format("{} is of another training (other texts, options or numerics); delete it, or "
                      "give the options that it was begun with",
                      file));
    step_ = in.number<Index>("step", file);
    document_ = in.number<Index>("document", file);
    adam_.first_power = in.number<double>("first_power", file);
    adam_.second_power = in.number<double>("second_power", file);
    const Index n = std::ssize(weights_.values);
    weights_.values = in.at("weights", {n}, file).data;
    adam_.first = in.at("adam.first", {n}, file).data;
    adam_.second = in.at("adam.second", {n}, file).data;
    mean_loss_ = in.at("mean_loss", {}, file).data[0];
  }

  std::shared_ptr<Engine> engine_;
  const std::vector<std::string>& texts_;
  const EncoderTraining& options_;
  const OnTraining& on_step_;
  std::string settings_, name_;
  Index step_ = 0, document_ = 0;
  float mean_loss_ = 0;
  EncoderWeights weights_;
  Adam adam_;
  EncoderPass pass_;
};

}  // namespace

Encoder train_encoder(const std::shared_ptr<Engine>& engine, const std::vector<std::string>& texts,
                      const EncoderTraining& given, const OnTraining& on_step) {
  if (texts.empty()) fail(ErrorCode::bad_input, "an encoder needs at least one text to learn from");
  EncoderTraining options = given;
  options.shape.embedding = engine->config().width;
  EncoderTrainer trainer(engine, texts, options, on_step);
  return {.weights = trainer.run(),
          .model_name = engine->config().name,
          .model_hash = engine->model().hash(),
          .ratio = options.ratio,
          .note = fmt::format("{} steps on {} texts, seed {}", options.steps, texts.size(),
                              options.seed)};
}

std::vector<float> start_losses(const std::shared_ptr<Engine>& engine,
                                const std::vector<std::string>& texts,
                                const EncoderTraining& options, const EncoderWeights* encoder) {
  std::optional<EncoderPass> pass;
  VirtualOptions own = without_steps(options);
  if (encoder != nullptr) {
    pass.emplace(*encoder);
    own.start.embeddings = [&](const TurnRows& rows) { return pass->forward(rows); };
  }
  std::vector<float> losses;
  for (const std::string& text : texts) {
    const TurnedText turned(*engine, text, options.turn);
    Context context(engine);
    context.read(turned.part(0, turned.prefix));
    for (std::size_t i = 0; i < turned.turns.size(); ++i) {
      const auto& [begin, end] = turned.turns[i];
      engine->check_stop();
      losses.push_back(
          read_as_virtual(context, turned.part(begin, end), static_cast<Index>(i), own).first_loss);
    }
  }
  return losses;
}

}  // namespace pith
