#include <memory>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "text/tokenizer.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith tokenize "Hello, world"
  pith tokenize -f handbook.txt --count
  pith tokenize -m gemma3-270m "naïve café" --json
  pith tokenize --special "<|im_start|>user")";

struct TokenizeCommand {
  std::string model{kDefaultModel};
  std::string text, file;
  bool text_given = false, special = false, bos = false, count = false, json = false;
};

void tokenize_command(const TokenizeCommand& command) {
  if (command.text_given == !command.file.empty())
    throw CLI::ValidationError("tokenize", "give either a text or a file (-f FILE)");
  const std::string text = command.text_given ? command.text : read_text(command.file);
  const auto file = gguf::File::open(find_model(command.model));
  const Tokenizer tokenizer = Tokenizer::from_gguf(file);
  std::vector<Token> ids;
  try {
    ids = tokenizer.encode(text, {.parse_special = command.special, .add_special = command.bos});
  } catch (const Error& error) {
    if (command.text_given) throw;
    fail(error.code(), fmt::format("{}: {}", command.file, error.what()));
  }
  if (command.json) {
    Json json;
    json["model"] = model_label(command.model);
    json["tokenizer"] = tokenizer.kind();
    json["n_tokens"] = ids.size();
    if (command.count) return put_json(json);
    json["ids"] = ids;
    json["pieces"] = Json::array();
    for (const Token id : ids) json["pieces"].push_back(tokenizer.piece(id));
    put_json(json);
  } else if (command.count) {
    print("{}\n", ids.size());
  } else {
    for (const Token id : ids)
      print("{:>8}  {}\n", id,
            Json(tokenizer.piece(id)).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
}

}  // namespace

void add_tokenize(CLI::App& app) {
  auto options = std::make_shared<TokenizeCommand>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens of a text");
  add_model_name(*command, options->model);
  CLI::Option* text = command->add_option("text", options->text, "The text")->type_name("TEXT");
  command->add_option("-f,--file", options->file, "A file with the text; - reads standard input")
      ->type_name("FILE");
  command->add_flag("--special", options->special, "Recognise control tokens in the text");
  command->add_flag("--bos", options->bos,
                    "Add the beginning-of-sequence token where the model asks for one");
  command->add_flag("--count", options->count, "Print only how many there are");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options, text] {
    options->text_given = text->count() > 0;
    tokenize_command(*options);
  });
}

}  // namespace pith::cli
