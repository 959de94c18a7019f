#include <unistd.h>

#include <iostream>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/schedule_option.h"
#include "cli/steps.h"
#include "engine/conversation/conversation.h"

namespace pith::cli {
namespace {

constexpr const char* kDefaultRecipe = "kvzip_plus + global @ 4x";
constexpr const char* kDefaultWhen = "over:16MiB";
constexpr const char* kExamples = R"text(Examples:
  pith chat
  pith chat --kv "snapkv(window=16) @ 4x" --when over:8MiB --system "You answer in one sentence."
  pith chat --kv "virtual(ratio=2)" --store blocks
  pith chat --kv "kvzip_plus + global @ 8x" --when over:4MiB --recall int4
  printf 'My name is Ada.\nWhat is my name?\n' | pith chat --json
  pith chat --load talk.pith
A turn is compressed by the recipe once the next one is answered; the system text and the last turn stay exact. Budgets count against
the turn. over:SIZE: when the cache is larger, entries that the last answer looked at least are evicted until it is three quarters of
that; turn: nothing is evicted. At a terminal this happens in the background, elsewhere before the next line is read. Ctrl-C ends an
answer or a compression, at the prompt the chat. At the prompt: /bytes, /wait, /save FILE, /help, /quit.)text";
constexpr const char* kCommands = R"(/bytes       what the cache holds
/wait        finish what is being compressed in the background
/save FILE   write the conversation's cache to a file (pith chat --load FILE goes on with it)
/help        this list
/quit        end (so does the end of the input))";

struct ChatCommand {
  ModelOptions model;
  SamplingOptions sampling;
  std::string system, recipe, when = kDefaultWhen, load, store, cold_folder, recall = "off",
                              background = "auto";
  Index max_tokens = 512;
  bool json = false;
};

class ChatLoop {
 public:
  ChatLoop(Conversation& conversation, bool json, bool background)
      : conversation_(conversation),
        json_(json),
        background_(background),
        interactive_(::isatty(0) == 1),
        terminal_(interactive_ && !json) {}

  // Returns whether every turn went well.
  bool run() {
    for (std::string line; read(line);) {
      interrupt_.clear();
      try {
        if (line.starts_with('/')) {
          if (!command(line)) return well_;
        } else if (line.find_first_not_of(" \t") != std::string::npos) {
          turn(line);
        }
      } catch (const Error& error) {
        complain(error);
      }
      if (interrupt_.came() && !interactive_) break;
      interrupt_.clear();
    }
    if (terminal_) put("\n");
    return well_;
  }
  bool interrupted() const { return interrupt_.came(); }

 private:
  bool read(std::string& line) {
    if (terminal_) put("> ");
    flush();
    if (!std::getline(std::cin, line)) return false;
    if (line.ends_with('\r')) line.pop_back();
    return true;
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
      json_ ? note(kCommands) : print("{}\n", kCommands);
    } else if (name == "/bytes") {
      show_bytes();
    } else if (name == "/wait") {
      compress_now();
      tell();
    } else if (name == "/save") {
      if (argument.empty())
        fail(ErrorCode::bad_input, "/save needs the name of a file: /save talk.pith");
      check_writable(argument);
      conversation_.save(argument);
      note(fmt::format("saved {}", argument));
    } else {
      fail(ErrorCode::bad_input, fmt::format("{} is no command here; /help lists them", name));
    }
    return true;
  }

  void show_bytes() const {
    const Index tokens = conversation_.context().next_position();
    if (json_) {
      Json json;
      json["n_context_tokens"] = tokens;
      add_cache(json);
      return put_json(json);
    }
    const cache::Cache& cache = conversation_.context().cache();
    const Index full = cache.full_bytes();
    if (full == 0) return put("0 tokens: nothing was read yet\n");
    const auto bytes = static_cast<double>(cache.bytes().total());
    const double ratio = static_cast<double>(full) / bytes;
    print("{} tokens, {} entries per lane, {} ({}), {} the full bf16 cache of {}{}\n",
          human_count(tokens), human_count(cache.entries() / cache.shape().lanes()),
          human_bytes(cache.bytes().total()), cache_format_name(cache),
          ratio >= 1 ? fmt::format("{:.1f}x less than", ratio) : fmt::format("{:.1f}x", 1 / ratio),
          human_bytes(full),
          ratio >= 1 ? "" : " (short conversations pay for whole tiles of 16 entries)");
  }

  void add_cache(Json& json) const {
    const cache::Cache& cache = conversation_.context().cache();
    json["entries"] = cache.entries();
    json["cache_bytes"] = cache.bytes().total();
    json["cache_type"] = cache_format_name(cache);
    json["full_bytes"] = cache.full_bytes();
  }

  void turn(const std::string& line) {
    StepProgress reading("reading");
    const OnText show = [&](std::string_view piece) {
      if (!json_) put(piece);
      if (!json_) flush();
      return !interrupt_.came();
    };
    const Generated answer = conversation_.say(line, show, reading.callback());
    const bool cut =
        answer.reason == StopReason::max_tokens || answer.reason == StopReason::cancelled;
    if (!json_) put(cut ? "…\n" : "\n");
    flush();
    if (interactive_) interrupt_.clear();  // it was meant for the answer
    if (background_)
      conversation_.compress_in_background();
    else if (!interrupt_.came())
      compress_now();
    json_ ? put_turn(line, answer) : tell();
  }

  void compress_now() {
    StepProgress progress("compressing");
    const InterruptWatch watch(interrupt_);
    conversation_.compress_now(watch.token(), progress.callback());
    if (watch.token().stop_requested())
      note("[compression given up: the turns stay exact for now]");
  }

  // What was done since the last turn.
  void tell() {
    for (const TurnReport& turn : conversation_.take_reports())
      note(fmt::format(
          "[turn {}: {} tokens to {} entries per lane, {}{}]", turn.turn, turn.tokens,
          turn.entries / conversation_.context().cache().shape().lanes(),
          turn.from_store ? "from the store" : fmt::format("in {} s", human_seconds(turn.seconds)),
          turn.recipe == "full" ? ", exact" : ""));
    for (const std::string& text : conversation_.take_notes())
      note(fmt::format("[{}]", one_line(text)));
    const ConversationAccount now = conversation_.account();
    if (now.evicted > told_.evicted)
      note(fmt::format("[evicted {} entries: {} are left]",
                       human_count(now.evicted - told_.evicted),
                       human_bytes(conversation_.context().cache().bytes().total())));
    if (now.recalled > told_.recalled)
      note(fmt::format("[recalled {} entries of {} that are cold]",
                       human_count(now.recalled - told_.recalled), human_bytes(now.cold_bytes)));
    told_ = now;
  }

  void put_turn(const std::string& line, const Generated& answer) {
    const ConversationAccount now = conversation_.account();
    const auto reports = conversation_.take_reports();
    Json json;
    json["turn"] = ++turns_;
    json["user"] = line;
    json["answer"] = answer.text;
    json["stop_reason"] = to_string(answer.reason);
    json["n_answer_tokens"] = answer.tokens.size();
    json["decode_tok_s"] = answer.tokens_per_second();
    json["n_context_tokens"] = conversation_.context().next_position();
    json["compressed"] = !reports.empty() || now.evicted > told_.evicted;
    json["compress_s"] = now.compress_seconds - told_.compress_seconds;
    json["recall_s"] = now.recall_seconds - told_.recall_seconds;
    add_cache(json);
    json["turns_compressed"] = now.compressed;
    json["blocks_from_store"] = now.from_store;
    json["blocks_stored"] = now.stored;
    json["fallbacks"] = now.fallbacks;
    json["evicted"] = now.evicted;
    json["recalled"] = now.recalled;
    json["cold_entries"] = now.cold_entries;
    json["cold_bytes"] = now.cold_bytes;
    json["cold_on_disk"] = now.cold_on_disk;
    json["blocks"] = Json::array();
    for (const TurnReport& turn : reports)
      json["blocks"].push_back({{"turn", turn.turn},
                                {"tokens", turn.tokens},
                                {"entries", turn.entries},
                                {"bytes", turn.bytes},
                                {"recipe", turn.recipe},
                                {"from_store", turn.from_store},
                                {"seconds", turn.seconds}});
    json["notes"] = conversation_.take_notes();
    told_ = now;
    put_json(json);
  }

  Conversation& conversation_;
  Interrupt interrupt_;
  bool json_, background_, interactive_, terminal_, well_ = true;
  Index turns_ = 0;
  ConversationAccount told_;
};

std::optional<cache::Format> cold_format(const std::string& name) {
  if (name == "int4") return cache::Format::int4;
  if (name == "int2") return cache::Format::int2;
  return std::nullopt;
}

void chat_command(const ChatCommand& command) {
  ConversationOptions options;
  options.system = command.system;
  options.recipe = recipe::Recipe::parse(command.recipe);
  options.over_bytes = parse_schedule(command.when, {When::turn, When::over}).value;  // turn: 0
  options.store = command.store;
  options.cold = cold_format(command.recall);
  options.cold_folder = command.cold_folder;
  if (!options.cold && !options.cold_folder.empty())
    throw CLI::ValidationError("--cold-folder",
                               "is for what --recall keeps; give --recall int4 or int2 as well");
  options.generation.max_tokens = command.max_tokens;
  options.generation.sampling = command.sampling.sampling;
  options.generation.stop = command.sampling.stop;
  const auto engine = load_engine(command.model);
  Conversation conversation =
      command.load.empty() ? Conversation(engine, std::move(options))
                           : Conversation(Context::load(engine, command.load), std::move(options));
  if (!conversation.frame().has_template)
    note(fmt::format("{} has no chat template: talking in a plain form", engine->config().name));
  const bool background =
      command.background == "on" || (command.background == "auto" && ::isatty(0) == 1);
  ChatLoop loop(conversation, command.json, background);
  const bool well = loop.run();
  if (loop.interrupted()) throw CLI::RuntimeError(130);  // as shells count a Ctrl-C
  if (!well) throw CLI::RuntimeError(1);
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
  add_schedule_option(*command, options->when, "turn, or over:SIZE", {When::turn, When::over});
  command->add_option("--system", options->system, "System text")->type_name("TEXT");
  command->add_option("--store", options->store, "Folder of compressed turns, used again")
      ->type_name("FOLDER");
  command
      ->add_option("--recall", options->recall,
                   "Keep evicted entries as int4 or int2, and take back what a question asks for")
      ->capture_default_str()
      ->check(CLI::IsMember({"off", "int4", "int2"}))
      ->type_name("FORMAT");
  command
      ->add_option("--cold-folder", options->cold_folder,
                   "Keep what --recall keeps in a mapped file there, not in memory")
      ->type_name("FOLDER");
  command
      ->add_option("--background", options->background,
                   "Compress while you type (on), before the next line is read (off), or as the "
                   "input is a terminal or not (auto)")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->type_name("WHEN");
  command->add_option("--load", options->load, "Go on with a saved conversation")
      ->type_name("FILE");
  command->add_option("--max-tokens", options->max_tokens, "Longest answer")
      ->capture_default_str()
      ->check(in_range(1, Index{1} << 20))
      ->type_name("N");
  add_sampling_options(*command, options->sampling);
  command->add_flag("--json", options->json, "One JSON object per turn, on a line of its own");
  command->footer(kExamples);
  command->callback([options, command] {
    check_sampling(*command, options->sampling);
    chat_command(*options);
  });
}

}  // namespace pith::cli
