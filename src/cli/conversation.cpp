#include "cli/conversation.h"

#include <fmt/format.h>

#include <chrono>

#include "base/error.h"

namespace pith::cli {
namespace {

// Stand-ins that a template passes through untouched.
constexpr std::string_view kFirst = "[[pith:first]]", kAnswer = "[[pith:answer]]",
                           kNext = "[[pith:next]]";

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void refuse_question_recipes(const ConversationOptions& options) {
  if (!options.recipe || !options.recipe->sees_question()) return;
  fail(
      ErrorCode::bad_recipe,
      fmt::format("{}: it looks at the question, but a chat is compressed between turns, when none "
                  "is known; take a recipe that does not (pith recipes)",
                  options.recipe->name()));
}

}  // namespace

TurnFrame make_turn_frame(const Engine& engine, std::string_view system) {
  TurnFrame frame;
  if (engine.chat_template() == nullptr) {
    frame.before = system.empty() ? "User: " : fmt::format("{}\n\nUser: ", system);
    frame.after = "\nAssistant:";
    frame.between = "\nUser: ";
    frame.stop = {"\nUser:"};
    frame.has_template = false;
    return frame;
  }
  const Tokenizer& tokenizer = engine.tokenizer();
  std::vector<Message> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", std::string(kFirst)});
  messages.push_back({"assistant", std::string(kAnswer)});
  messages.push_back({"user", std::string(kNext)});
  ChatOptions options;
  if (tokenizer.bos() >= 0) options.bos_token = tokenizer.piece(tokenizer.bos());
  if (tokenizer.eos() >= 0) options.eos_token = tokenizer.piece(tokenizer.eos());
  const std::string text = engine.chat_template()->render(messages, options);
  const auto first = text.find(kFirst), answer = text.find(kAnswer), next = text.find(kNext);
  if (first == std::string::npos || answer == std::string::npos || next == std::string::npos ||
      answer < first || next < answer)
    fail(ErrorCode::bad_model,
         "the model's chat template does not pass a conversation through; pith generate takes "
         "plain prompts");
  frame.before = text.substr(0, first);
  frame.between = text.substr(answer + kAnswer.size(), next - answer - kAnswer.size());
  frame.after = text.substr(next + kNext.size());
  return frame;
}

Conversation::Conversation(std::shared_ptr<Engine> engine, ConversationOptions options)
    : engine_(std::move(engine)),
      options_(std::move(options)),
      frame_(make_turn_frame(*engine_, options_.system)),
      context_(engine_) {
  refuse_question_recipes(options_);
  options_.generation.stop.insert(options_.generation.stop.end(), frame_.stop.begin(),
                                  frame_.stop.end());
}

Conversation::Conversation(Context saved, ConversationOptions options)
    : Conversation(saved.shared_engine(), std::move(options)) {
  context_ = std::move(saved);
  compressed_ = true;
}

Generated Conversation::say(std::string_view text, const OnText& on_text) {
  const Tokenizer& tokenizer = engine_->tokenizer();
  const bool first = context_.next_position() == 0;
  std::vector<Token> tokens;
  if (unread_) tokens.push_back(*unread_);
  const auto add = [&](std::string_view part, TokenizeOptions how) {
    const auto ids = tokenizer.encode(part, how);
    tokens.insert(tokens.end(), ids.begin(), ids.end());
  };
  add(first ? frame_.before : frame_.between, {.parse_special = true, .add_special = first});
  add(text, {});  // what a user types is never taken for a control token
  add(frame_.after, {.parse_special = true});
  context_.read(tokens);
  unread_.reset();
  Generated answer = generate(context_, options_.generation, on_text);
  if (!answer.tokens.empty() && !tokenizer.is_end_of_generation(answer.tokens.back()))
    unread_ = answer.tokens.back();
  return answer;
}

std::optional<Conversation::Compressed> Conversation::compress_if_due(const Progress& progress) {
  if (!options_.recipe || options_.recipe->is_full()) return std::nullopt;
  if (context_.cache().bytes().total() <= options_.over_bytes) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  Compressed done;
  const recipe::SignalNeeds needs = options_.recipe->needs();
  recipe::Signals signals;
  if (needs == recipe::SignalNeeds{}) {
    signals.tokens = signals.next_position = context_.next_position();
    signals.query_heads = engine_->config().query_heads;
    signals.attention_scale = engine_->config().attention_scale;
    signals.layers.resize(static_cast<std::size_t>(engine_->config().layer_count()));
    done.report = compress(context_, *options_.recipe, signals);
  } else {
    ReadOptions reading;
    reading.answer_prompt = engine_->tokenizer().encode(frame_.after, {.parse_special = true});
    reading.progress = reading.replay_progress = progress;
    Context anew(engine_);
    signals = read_document(anew, context_.tokens(), needs, reading);
    done.report = compress(anew, *options_.recipe, signals);
    done.tokens_read_again = anew.next_position();
    context_ = std::move(anew);
  }
  done.seconds = seconds_since(start);
  compressed_ = true;
  return done;
}

void Conversation::save(const std::filesystem::path& path) {
  if (unread_) {  // the file must hold the whole answer
    context_.read(std::span(&*unread_, 1));
    unread_.reset();
  }
  context_.save(path, compressed_ && options_.recipe ? options_.recipe->to_string() : "");
}

}  // namespace pith::cli
