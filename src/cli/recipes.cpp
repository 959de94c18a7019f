#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/suggest.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "eval/arms.h"
#include "recipe/presets.h"
#include "recipe/recipe.h"
#include "recipe/registry.h"

namespace pith::cli {
namespace {

using recipe::Arguments;
using recipe::PartInfo;
using recipe::PartKind;
using recipe::Preset;
using recipe::SignalNeeds;

constexpr const char* kGrammar =
    R"x(recipe = stage { " then " stage }
stage  = part { " + " part } [ " @ " budget ]
part   = name [ "(" key=value {, key=value} ")" ]
value  = a word, a number, a path, or any text in quotes
budget = 0.9 (fraction removed) | 10x (bytes, against the full bf16 cache)
       | 1024tok (mean entries per lane) | 64MiB (bytes)
       | auto or auto(risk=0.1) (as small as the guard allows)
full = no compression; it stands alone
when   = behind a recipe, in pith eval: "snapkv @ 4x when turn" (or: again, chunk:512)
)x";
constexpr const char* kExamples = R"(Examples:
  pith recipes
  pith recipes snapkv
  pith recipes "kvzip_plus + global + int4 @ 4x"
  pith recipes --markdown > docs/recipes.md)";
constexpr PartKind kKinds[] = {PartKind::scorer, PartKind::adjuster, PartKind::allocator,
                               PartKind::realiser, PartKind::format};

struct RecipesCommand {
  std::string name;
  bool markdown = false, json = false;
};

SignalNeeds needs_of(const PartInfo& part) {
  return part.needs ? part.needs(Arguments(part.parameters)) : SignalNeeds{};
}

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "nothing" : fmt::format("{}", fmt::join(names, ", "));
}

Json parameter_json(const recipe::Parameter& parameter) {
  Json json = {{"name", parameter.name},
               {"type", to_string(parameter.type)},
               {"default", parameter.no_default ? Json() : Json(parameter.default_value)}};
  if (parameter.type == recipe::ParameterType::choice) {
    json["choices"] = parameter.choices;
  } else if (parameter.type == recipe::ParameterType::integer ||
             parameter.type == recipe::ParameterType::real) {
    json["least"] = parameter.least;
    json["most"] = parameter.most;
  }
  json["doc"] = parameter.doc;
  return json;
}

Json part_json(const PartInfo& part) {
  Json json = {{"name", part.name},
               {"kind", to_string(part.kind)},
               {"summary", part.summary},
               {"source", part.source},
               {"cost", to_string(part.cost)},
               {"oracle", part.oracle},
               {"sees_question", sees_question(part, Arguments(part.parameters))},
               {"needs", names_of(needs_of(part))}};
  json["parameters"] = Json::array();
  for (const auto& parameter : part.parameters)
    json["parameters"].push_back(parameter_json(parameter));
  return json;
}

Json preset_json(const Preset& preset) {
  return {{"name", preset.name},
          {"kind", "preset"},
          {"recipe", preset.text},
          {"summary", preset.summary},
          {"needs_budget", !recipe::needs_beside(preset).empty()}};
}

void put_all() {
  put(kGrammar);
  for (const PartKind kind : kKinds) {
    Table table;
    table.add_column(std::string(to_string(kind)), Table::Align::left);
    table.add_column("cost", Table::Align::left);
    table.add_column("question", Table::Align::left);
    table.add_column("what it does", Table::Align::left);
    bool any = false;
    for (const PartInfo& part : recipe::parts()) {
      if (part.kind != kind) continue;
      any = true;
      table.add_row({std::string(part.name), std::string(to_string(part.cost)),
                     sees_question(part, Arguments(part.parameters)) ? "sees it" : "",
                     std::string(part.summary)});
    }
    if (any) put("\n" + table.to_string(terminal_columns()));
  }
  Table table;
  table.add_column("preset", Table::Align::left);
  table.add_column("stands for", Table::Align::left);
  table.add_column("what it is", Table::Align::left);
  for (const Preset& preset : recipe::presets())
    table.add_row(
        {std::string(preset.name), std::string(preset.text), recipe::full_summary(preset)});
  print("\n{}\npith recipes NAME explains one.\n", table.to_string(terminal_columns()));
}

void put_part(const PartInfo& part) {
  print("{}: {}\n{}\n\n", part.name, to_string(part.kind), part.summary);
  print("  source         {}\n", part.source.empty() ? "-" : part.source);
  print("  cost           {}\n", to_string(part.cost));
  print("  needs          {}\n", listed(names_of(needs_of(part))));
  print("  sees question  {}\n", sees_question(part, Arguments(part.parameters)) ? "yes" : "no");
  if (part.oracle) put("  oracle         yes: uses what a deployment would not have\n");
  if (part.parameters.empty()) return;
  Table table;
  for (const char* title : {"parameter", "default", "values", "meaning"})
    table.add_column(title, Table::Align::left);
  for (const auto& parameter : part.parameters) {
    std::string values(to_string(parameter.type));
    if (parameter.type == recipe::ParameterType::choice)
      values = fmt::format("{}", fmt::join(parameter.choices, " | "));
    else if (parameter.type == recipe::ParameterType::integer ||
             parameter.type == recipe::ParameterType::real)
      values = fmt::format("{} … {}", parameter.least, parameter.most);
    table.add_row({std::string(parameter.name),
                   parameter.no_default ? "none" : std::string(parameter.default_value), values,
                   std::string(parameter.doc)});
  }
  put("\n" + table.to_string(terminal_columns()));
}

// Words of the language that are neither parts nor presets.
std::string_view meaning_of(std::string_view name) {
  if (recipe::is_full_name(name))
    return "no compression: the whole cache as it was read. It stands alone, without parts, "
           "arguments or budget";
  if (name == "auto")
    return "a budget: \"... @ auto(risk=0.1)\" is the largest ratio at which at most that share of "
           "right answers is expected to be lost, chosen for each document by the guard "
           "(docs/guard.md). Alone it is the default recipe under it";
  return "";
}

// A recipe as a whole: what it expands to, what it takes, and when it runs ("... when turn").
void put_recipe(const std::string& text, bool json) {
  const eval::RunArm arm = eval::parse_arm(text);
  const recipe::Recipe& parsed = arm.recipe;
  const auto needs = names_of(parsed.needs());
  const std::string_view meaning = meaning_of(text);
  if (json) {
    put_json({{"name", arm.name()},
              {"kind", "recipe"},
              {"recipe", parsed.to_string()},
              {"when", to_string(arm.schedule)},
              {"stages", parsed.stages()},
              {"sees_question", parsed.sees_question()},
              {"oracle", parsed.is_oracle()},
              {"needs", needs}});
    return;
  }
  print(
      "{}{}{}\n\n  in full        {}\n  when           {}\n  needs          {}\n  sees question  "
      "{}\n",
      arm.name(), meaning.empty() ? "" : ": ", meaning, parsed.to_string(), to_string(arm.schedule),
      listed(needs), parsed.sees_question() ? "yes" : "no");
}

[[noreturn]] void fail_unknown(const std::string& name) {
  std::vector<std::string> known;
  for (const PartInfo& part : recipe::parts()) known.emplace_back(part.name);
  for (const Preset& preset : recipe::presets()) known.emplace_back(preset.name);
  for (const char* word : {"full", "auto"}) known.emplace_back(word);
  const auto near = nearest_names(name, known);
  fail(ErrorCode::bad_recipe,
       fmt::format("no part and no preset is called '{}'; {}pith recipes lists them", name,
                   near.empty() ? "" : fmt::format("did you mean {}? ", fmt::join(near, " or "))));
}

void put_one(const std::string& name, bool json) {
  const PartInfo* part = recipe::find_part(name);
  const Preset* preset = recipe::find_preset(name);
  if (name.find_first_of(" @+(") != std::string::npos || !meaning_of(name).empty()) {
    put_recipe(name, json);
  } else if (part == nullptr && preset == nullptr) {
    fail_unknown(name);
  } else if (json) {
    if (part) put_json(part_json(*part));
    if (preset) put_json(preset_json(*preset));
  } else {
    if (part) put_part(*part);
    if (part && preset) put("\n");
    if (preset)
      print("{}: preset\n{}\n\n  stands for     {}\n", preset->name, recipe::full_summary(*preset),
            preset->text);
  }
}

void recipes_command(const RecipesCommand& command) {
  if (command.markdown) {
    put(recipe::recipes_table());
  } else if (!command.name.empty()) {
    put_one(command.name, command.json);
  } else if (command.json) {
    for (const PartInfo& part : recipe::parts()) put_json(part_json(part));
    for (const Preset& preset : recipe::presets()) put_json(preset_json(preset));
  } else {
    put_all();
  }
}

}  // namespace

void add_recipes(CLI::App& app) {
  auto options = std::make_shared<RecipesCommand>();
  CLI::App* command = app.add_subcommand(
      "recipes", "List the parts of recipes, or explain one part, preset or recipe");
  CLI::Option* name =
      command
          ->add_option("name", options->name, "A part, a preset, or a whole recipe with its budget")
          ->type_name("NAME");
  CLI::Option* json = command->add_flag("--json", options->json,
                                        "One JSON object per part or preset, on a line of its own");
  command
      ->add_flag("--markdown", options->markdown,
                 "All parts and presets as markdown, as in docs/recipes.md")
      ->excludes(name)
      ->excludes(json);
  command->footer(kExamples);
  command->callback([options] { recipes_command(*options); });
}

}  // namespace pith::cli
