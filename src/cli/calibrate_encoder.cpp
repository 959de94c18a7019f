#include "cli/calibrate_encoder.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "base/rng.h"
#include "cli/output.h"
#include "eval/suite.h"
#include "text/utf8.h"

namespace pith::cli {
namespace {

constexpr std::uint64_t kSeed = 7003;  // not those of evaluations, which count from 1
constexpr Index kHeldOut = 13;         // one text of so many is held out, ...
constexpr Index kMostHeldOut = 16;     // ... but no more than these

// Generated documents, kind by kind, so that every prefix of the list has all kinds. Those that
// recipes are most often measured on (needles, kv, transcript_agent) are not among them.
std::vector<std::string> generated(const EncoderCalibration& command, const Engine& engine) {
  const eval::TokenCounter count = [&](std::string_view text) {
    return std::ssize(engine.tokenizer().encode(text));
  };
  std::vector<std::string> tasks;
  for (const auto* name :
       {"strings", "instructions", "physics", "transcript_operations", "transcript_research"})
    for (const std::string& task : eval::tasks_of(name)) tasks.push_back(task);
  std::vector<std::string> texts;
  for (Index i = 0; i < command.documents; ++i) {
    const auto& task = tasks[static_cast<std::size_t>(i % std::ssize(tasks))];
    texts.push_back(eval::generate_one(task, i / std::ssize(tasks),
                                       {.tokens = command.tokens, .contexts = 1, .seed = kSeed},
                                       count)
                        .text);
  }
  return texts;
}

// The files of a folder in the order of their names, cut at line ends into pieces of about the
// length of a document. What is no UTF-8 text is left out by name.
std::vector<std::string> from_folder(const EncoderCalibration& command, const Engine& engine) {
  if (command.texts.empty()) return {};
  if (!std::filesystem::is_directory(command.texts))
    fail(ErrorCode::not_found, fmt::format("{} is no folder; --texts takes one", command.texts));
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(command.texts))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> texts;
  for (const auto& file : files) {
    const std::string text = read_file(file);
    if (find_invalid_utf8(text)) {
      note(fmt::format("{} is no UTF-8 text and is left out", file.string()));
      continue;
    }
    std::string piece;
    const auto close = [&] {
      if (piece.find_first_not_of(" \t\r\n") != std::string::npos) texts.push_back(piece);
      piece.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
      piece.append(text, at, end - at);
      at = end;
      if (std::ssize(engine.tokenizer().encode(piece)) >= command.tokens) close();
    }
    close();
  }
  if (texts.empty())
    fail(ErrorCode::bad_input, fmt::format("{} holds no UTF-8 text to learn from", command.texts));
  return texts;
}

// Moves some texts, drawn by chance, aside.
void hold_out(std::vector<std::string>& texts, std::vector<std::string>& held_out) {
  Rng rng(kSeed);
  const Index count = std::min(ceil_div(std::ssize(texts), kHeldOut), kMostHeldOut);
  while (std::ssize(held_out) < count && std::ssize(texts) > 1) {
    const auto chosen = texts.begin() + rng.below(std::ssize(texts));
    held_out.push_back(std::move(*chosen));
    texts.erase(chosen);
  }
}

struct Mean {
  double mean = 0, half = 0;  // 95 % of a mean over turns: half of the interval's length
};

Mean mean_of(const std::vector<double>& x) {
  const auto n = static_cast<double>(x.size());
  Mean out;
  for (const double v : x) out.mean += v / n;
  double squares = 0;
  for (const double v : x) squares += (v - out.mean) * (v - out.mean);
  if (x.size() > 1) out.half = 1.96 * std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace

void calibrate_encoder(const EncoderCalibration& command) {
  check_writable(command.out);
  const auto engine = load_engine(command.model);
  std::vector<std::string> texts = generated(command, *engine), held_out;
  for (std::string& text : from_folder(command, *engine)) texts.push_back(std::move(text));
  hold_out(texts, held_out);
  EncoderTraining training = command.training;
  training.checkpoint = command.out + ".training";
  if (training.distil > 0) training.vectors = command.out + ".vectors";
  Encoder encoder = [&] {
    ProgressBar bar(ProgressUnit::items);
    return train_encoder(engine, texts, training, [&](Index done, Index steps, float loss) {
      bar.update("training", done, steps, fmt::format(", loss {:.4g}", static_cast<double>(loss)));
    });
  }();

  const auto means = start_losses(engine, held_out, training, nullptr);
  const auto starts = start_losses(engine, held_out, training, &encoder.weights);
  std::vector<double> before(means.begin(), means.end()), after(starts.begin(), starts.end()), gain;
  for (std::size_t i = 0; i < before.size(); ++i) gain.push_back(after[i] - before[i]);
  const Mean mean = mean_of(before), own = mean_of(after), difference = mean_of(gain);
  if (!before.empty())
    encoder.note += fmt::format("; held-out loss {:.3f}, plain means {:.3f}, {} turns", own.mean,
                                mean.mean, before.size());
  encoder.save(command.out);
  std::filesystem::remove(training.checkpoint);
  if (command.json) {
    put_json({{"model", model_label(command.model.model)},
              {"file", command.out},
              {"steps", training.steps},
              {"texts", texts.size()},
              {"weights", encoder.weights.values.size()},
              {"ratio", encoder.ratio},
              {"held_out_texts", held_out.size()},
              {"held_out_turns", before.size()},
              {"held_out_loss", own.mean},
              {"mean_pooling_loss", mean.mean},
              {"difference", difference.mean},
              {"difference_low", difference.mean - difference.half},
              {"difference_high", difference.mean + difference.half}});
    return;
  }
  print("{} weights from {} steps on {} texts saved in {}\n",
        human_count(std::ssize(encoder.weights.values)), training.steps, texts.size(), command.out);
  if (!before.empty())
    print(
        "loss at the start of {} turns of {} held-out texts: {:.3f}, mean pooling {:.3f}, "
        "difference {:.3f} [{:.3f}, {:.3f}]\n",
        before.size(), held_out.size(), own.mean, mean.mean, difference.mean,
        difference.mean - difference.half, difference.mean + difference.half);
  print("use it with --kv \"virtual(ratio={}, encoder={})\"\n", encoder.ratio, command.out);
}

}  // namespace pith::cli
