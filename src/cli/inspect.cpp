#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "cli/commands.h"
#include "cli/inspect.h"
#include "cli/output.h"
#include "hub/hub.h"

namespace pith::cli {
namespace {

constexpr std::string_view kGgufMagic = "GGUF", kCacheMagic = "PITHCTX";
constexpr const char* kExamples = R"(Examples:
  pith inspect smollm2-135m-instruct
  pith inspect model.gguf --tensors
  pith inspect handbook.pith --json)";

struct InspectCommand {
  std::string file;
  bool tensors = false, json = false;
};

bool begins_with(const std::filesystem::path& path, std::string_view magic) {
  const MappedFile file = MappedFile::open(path);
  const auto bytes = file.bytes();
  return bytes.size() >= magic.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), magic.size()) == magic;
}

void inspect_command(const InspectCommand& command) {
  const auto path = hub::Hub().resolve(command.file);
  if (begins_with(path, kGgufMagic)) {
    inspect_model(path, command.tensors, command.json);
    return;
  }
  if (!begins_with(path, kCacheMagic))
    fail(ErrorCode::bad_file,
         fmt::format("{}: neither a model nor a saved cache; a file that begins with {} or {} was "
                     "expected, such as pith pull and pith run --save make",
                     path.string(), kGgufMagic, kCacheMagic));
  if (command.tensors)
    throw CLI::ValidationError("--tensors", "is for models; a saved cache has none");
  inspect_snapshot(path, command.json);
}

}  // namespace

void add_inspect(CLI::App& app) {
  auto options = std::make_shared<InspectCommand>();
  CLI::App* command =
      app.add_subcommand("inspect", "Show what a model file or a saved cache holds");
  command->add_option("file", options->file, "A GGUF file, a saved cache, or the name of a model")
      ->required()
      ->type_name("FILE");
  command->add_flag("--tensors", options->tensors, "List every tensor of a model");
  command->add_flag("--json", options->json, "One JSON object");
  command->footer(kExamples);
  command->callback([options] { inspect_command(*options); });
}

}  // namespace pith::cli
