#include <unistd.h>

#include <iostream>
#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/conversation.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"

namespace pith::cli {
namespace {

constexpr const char* kDefaultRecipe = "kvzip_plus + global @ 4x";
constexpr const char* kDefaultWhen = "over:16MiB";
constexpr const char* kExamples = R"(Examples:
  pith chat
  pith chat --kv "streaming_llm @ 1024tok" --when over:8MiB --system "You answer in one sentence."
  printf 'My name is Ada.\nWhat is my name?\n' | pith chat --json
  pith chat --load talk.pith
--when turn compresses after every turn, over:SIZE after those that leave the cache larger than that. Recipes that need no signals (knorm, keydiff,
streaming_llm, …) work on the cache as it is; for the others the conversation is read again. Fractions and ratios count against
all that was said.)";
constexpr const char* kCommands = R"(/bytes       what the cache holds
/save FILE   write the conversation's cache to a file (pith chat --load FILE goes on with it)
/help        this list
/quit        end (so does the end of the input)
)";

struct ChatCommand {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system, recipe, when = kDefaultWhen, load;
  Index max_tokens = 512;
  bool json = false;
};

class ChatLoop {
 public:
  ChatLoop(Conversation& conversation, bool json)
      : conversation_(conversation), json_(json), terminal_(::isatty(0) == 1 && !json) {}

  // Returns whether every turn went well.
  bool run() {
    for (std::string line; read(line);) {
      try {
        if (line.starts_with('/')) {
          if (!command(line)) return well_;
        } else if (line.find_first_not_of(" \t\r") != std::string::npos) {
          turn(line);
        }
      } catch (const Error& error) {
        complain(error);
      }
    }
    if (terminal_) put("\n");
    return well_;
  }

 private:
  bool read(std::string& line) {
    if (terminal_) put("> ");
    flush();
    return static_cast<bool>(std::getline(std::cin, line));
  }

  // After an error the conversation stays as it was, and goes on.
  void complain(const Error& error) {
    flush();
    note(fmt::format("pith: {}", one_line(error.what())));
    well_ = false;
  }

  // False ends the chat.
  bool command(const std::string& line) {
    const auto space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string argument =
        space == std::string::npos ? "" : line.substr(line.find_first_not_of(' ', space));
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      put(kCommands);
    } else if (name == "/bytes") {
      show_bytes();
    } else if (name == "/save") {
      if (argument.empty())
        fail(ErrorCode::bad_input, "/save needs the name of a file: /save talk.pith");
      conversation_.save(argument);
      note(fmt::format("saved {}", argument));
    } else {
      fail(ErrorCode::bad_input, fmt::format("{} is no command here; /help lists them", name));
    }
    return true;
  }

  void show_bytes() const {
    const cache::Cache& cache = conversation_.context().cache();
    const Index bytes = cache.bytes().total(), full = cache.full_bytes();
    print("{} tokens, {} entries per lane, {} ({}), {:.1f}x less than the full bf16 cache of {}\n",
          human_count(conversation_.context().next_position()),
          human_count(cache.entries() / cache.shape().lanes()), human_bytes(bytes),
          cache_format_name(conversation_.context().cache()),
          bytes > 0 ? static_cast<double>(full) / static_cast<double>(bytes) : 1.0,
          human_bytes(full));
  }

  void turn(const std::string& line) {
    const Generated answer = conversation_.say(line, [&](std::string_view piece) {
      if (!json_) put(piece);
      if (!json_) flush();
      return true;
    });
    if (!json_) put(answer.reason == StopReason::max_tokens ? "…\n" : "\n");
    flush();
    const auto compressed = compress();
    if (json_) {
      put_turn(line, answer, compressed);
    } else if (compressed) {
      note(fmt::format(
          "[compressed {} to {} in {} s{}]", human_bytes(compressed->report.full_bytes),
          human_bytes(compressed->report.bytes_after), human_seconds(compressed->seconds),
          compressed->tokens_read_again > 0
              ? fmt::format(", {} tokens read again", human_count(compressed->tokens_read_again))
              : ""));
    }
  }

  // Nothing if there was nothing to do or it could not be done: the answer is there in any case.
  std::optional<Conversation::Compressed> compress() {
    StepProgress progress("reading the conversation again");
    try {
      return conversation_.compress_if_due(progress.callback());
    } catch (const Error& error) {
      complain(error);
      return std::nullopt;
    }
  }

  void put_turn(const std::string& line, const Generated& answer,
                const std::optional<Conversation::Compressed>& compressed) {
    const cache::Cache& cache = conversation_.context().cache();
    Json json;
    json["turn"] = ++turns_;
    json["user"] = line;
    json["answer"] = answer.text;
    json["stop_reason"] = to_string(answer.reason);
    json["n_answer_tokens"] = answer.tokens.size();
    json["decode_tok_s"] = answer.tokens_per_second();
    json["n_context_tokens"] = conversation_.context().next_position();
    json["compressed"] = compressed.has_value();
    json["compress_s"] = compressed ? compressed->seconds : 0.0;
    json["entries"] = cache.entries();
    json["cache_bytes"] = cache.bytes().total();
    json["cache_type"] = cache_format_name(conversation_.context().cache());
    json["full_bytes"] = cache.full_bytes();
    put_json(json);
  }

  Conversation& conversation_;
  bool json_, terminal_, well_ = true;
  Index turns_ = 0;
};

void chat_command(const ChatCommand& command) {
  ConversationOptions options;
  options.system = command.system;
  options.recipe = recipe::Recipe::parse(command.recipe);
  options.over_bytes = parse_schedule(command.when, {When::turn, When::over}).value;  // turn: 0
  options.generation.max_tokens = command.max_tokens;
  options.generation.sampling = command.sampling.sampling;
  options.generation.stop = command.sampling.stop;
  const auto engine = load_engine(command.model);
  Conversation conversation =
      command.load.empty() ? Conversation(engine, std::move(options))
                           : Conversation(Context::load(engine, command.load), std::move(options));
  if (!conversation.frame().has_template)
    note(fmt::format("{} has no chat template: talking in a plain form", engine->config().name));
  if (!ChatLoop(conversation, command.json).run()) throw CLI::RuntimeError(1);
}

}  // namespace

void add_chat(CLI::App& app) {
  auto options = std::make_shared<ChatCommand>();
  options->recipe = kDefaultRecipe;
  CLI::App* command =
      app.add_subcommand("chat", "Talk; the conversation's cache is kept compressed");
  add_model_options(*command, options->model);
  command->add_option("--kv", options->recipe, "The recipe")
      ->capture_default_str()
      ->type_name("RECIPE");
  add_schedule_option(*command, options->when, "turn, or over:SIZE");
  command->add_option("--system", options->system, "System text")->type_name("TEXT");
  command->add_option("--load", options->load, "Go on with a saved conversation")
      ->type_name("FILE");
  command->add_option("--max-tokens", options->max_tokens, "Longest answer")
      ->capture_default_str()
      ->check(in_range(1, Index{1} << 20))
      ->type_name("N");
  add_sampling_options(*command, options->sampling);
  command->add_flag("--json", options->json, "One JSON object per turn, on a line of its own");
  command->footer(kExamples);
  command->callback([options] { chat_command(*options); });
}

}  // namespace pith::cli
