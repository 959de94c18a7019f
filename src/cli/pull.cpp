#include <memory>

#include "base/error.h"
#include "base/progress.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "hub/hub.h"

namespace pith::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  pith pull --list
  pith pull smollm2-135m-instruct qwen2.5-coder-0.5b-instruct
  pith pull hf:owner/repo/model.gguf
An interrupted download goes on where it stopped. PITH_MODELS names the folder in which models are kept.)";

struct PullCommand {
  std::vector<std::string> names;
  bool list = false, json = false;
};

void list_models(const hub::Hub& hub, bool json) {
  Table table;
  table.add_column("name", Table::Align::left);
  table.add_column("size");
  table.add_column("here", Table::Align::left);
  table.add_column("licence", Table::Align::left);
  table.add_column("description", Table::Align::left);
  for (const hub::Model& model : hub.models()) {
    if (json) {
      put_json({{"name", model.name},
                {"bytes", model.bytes},
                {"here", hub.is_here(model)},
                {"licence", model.licence},
                {"description", model.description},
                {"sha256", model.sha256},
                {"path", hub.path_of(model).string()}});
    } else {
      table.add_row({model.name, human_bytes(model.bytes), hub.is_here(model) ? "yes" : "no",
                     model.licence, model.description});
    }
  }
  if (!json) print("{}\nfolder: {}\n", table.to_string(terminal_columns()), hub.folder().string());
}

void pull_command(const PullCommand& command) {
  if (command.list != command.names.empty())
    throw CLI::ValidationError("pull", "give the names of models, or --list to see them");
  const hub::Hub hub;
  if (command.list) {
    list_models(hub, command.json);
    return;
  }
  for (const std::string& name : command.names) {
    hub::Pulled pulled;
    {
      ProgressBar bar;
      pulled = hub.pull(name, [&](std::string_view step, Index done, Index total) {
        bar.update(step, done, total);
      });
    }
    if (command.json) {
      Json json = {{"name", name}, {"path", pulled.path.string()}, {"was_there", pulled.was_there}};
      if (!pulled.sha256.empty()) json["sha256"] = pulled.sha256;  // of what came just now
      put_json(json);
    } else {
      print("{}{}\n", pulled.path.string(), pulled.was_there ? " (was there already)" : "");
      flush();
    }
  }
}

}  // namespace

void add_pull(CLI::App& app) {
  auto options = std::make_shared<PullCommand>();
  CLI::App* command = app.add_subcommand("pull", "Download models, or list those that are known");
  command->add_option("names", options->names, "Names of models, hf:owner/repo/file.gguf, or URLs")
      ->type_name("NAME");
  command->add_flag("--list", options->list, "List the known models");
  command->add_flag("--json", options->json, "One JSON object per model, on a line of its own");
  command->footer(kExamples);
  command->callback([options] { pull_command(*options); });
}

}  // namespace pith::cli
