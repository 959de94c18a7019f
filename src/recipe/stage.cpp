#include "recipe/stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "recipe/grammar.h"
#include "recipe/presets.h"
#include "recipe/recipe.h"

namespace pith::recipe {
namespace {

std::string hint(std::string_view name, const std::vector<std::string_view>& known) {
  const auto near = nearest(name, known);
  return near ? fmt::format("; did you mean \"{}\"?", *near) : "";
}

// The part that works with this allocator only, which nobody may have written; or the allocator.
std::string_view asks_for(const Stage& stage, std::string_view allocator) {
  for (const Part* part : stage.all())
    if (part->info->required_allocator &&
        part->info->required_allocator(part->arguments) == allocator)
      return part->info->name;
  return allocator;
}

// Whether a stage says how much stays: by its budget, or by its allocator.
bool is_sized(const Stage& stage) {
  const Part& allocator = stage.allocator;
  const std::string_view by = allocator.info->sized_by;
  return stage.budget || allocator.info->sizes_itself ||
         (!by.empty() && allocator.arguments.given(by));
}

class StageReader {
 public:
  StageReader(std::string_view text, const StageText& from) : text_(text), from_(from) {}

  Stage read() {
    Stage stage = complete_stage();
    check(stage);
    return stage;
  }

  // As read(), but what does not fit together is not refused.
  Stage complete_stage() {
    std::vector<Placed> placed;
    for (const PartText& part : from_.parts)
      for (Placed& p : resolve(part)) placed.push_back(std::move(p));

    Stage stage = {{}, {}, missing(), missing(), missing(), from_.budget};
    if (!stage.budget) stage.budget = preset_budget_;
    for (Placed& p : placed) place(stage, p);
    complete(stage);
    return stage;
  }

 private:
  struct Placed {
    Part part;
    Index column;
  };

  static Part missing() { return {nullptr, Arguments(std::vector<Parameter>{})}; }

  // A part as it is, or the parts of a preset.
  std::vector<Placed> resolve(const PartText& from) {
    if (find_part(from.name) != nullptr) return {make(from)};
    const Preset* preset = find_preset(from.name);
    if (preset == nullptr) {
      if (is_full_name(from.name)) fail_at(text_, from.column, "\"full\" stands alone");
      std::vector<std::string_view> known = {kFull};
      for (const PartInfo& part : parts()) known.push_back(part.name);
      for (const Preset& p : presets()) known.push_back(p.name);
      fail_at(text_, from.column,
              fmt::format("there is no part or preset \"{}\"{} (`pith recipes` lists all)",
                          from.name, hint(from.name, known)));
    }
    StageText expanded = read_recipe(preset->text).front();
    preset_budget_ = expanded.budget;
    for (PartText& part : expanded.parts) {
      part.column = from.column;
      for (ArgumentText& argument : part.arguments) argument.column = 0;  // not the user's
    }
    for (const ArgumentText& argument : from.arguments) hand_on(*preset, argument, expanded.parts);
    std::vector<Placed> out;
    for (const PartText& part : expanded.parts) out.push_back(make(part));
    return out;
  }

  // Gives an argument of a preset to the parts that it is meant for.
  void hand_on(const Preset& preset, const ArgumentText& argument,
               std::vector<PartText>& to) const {
    if (argument.key.empty())
      fail_at(text_, argument.column,
              fmt::format("{} is a preset: write key=value instead of \"{}\"", preset.name,
                          argument.value));
    bool taken = false;
    std::vector<std::string_view> known;
    const auto give = [&](PartText& part, std::string_view key, std::string_view value) {
      std::erase_if(part.arguments, [&](const ArgumentText& a) {
        const bool bare_first = a.key.empty() && key == find_part(part.name)->parameters[0].name;
        return (a.key == key || bare_first) && a.column == 0;
      });
      part.arguments.push_back({std::string(key), std::string(value), argument.column});
      taken = true;
    };
    for (PartText& part : to) {
      for (const PresetKey& key : preset.keys) {
        known.push_back(key.key);
        if (key.key != argument.key || key.part != part.name) continue;
        std::string_view value = argument.value;
        for (const auto& [from, into] : key.values)
          if (from == value) value = into;
        give(part, key.parameter, value);
      }
      for (const Parameter& parameter : find_part(part.name)->parameters) {
        known.push_back(parameter.name);
        if (parameter.name == argument.key) give(part, parameter.name, argument.value);
      }
    }
    if (!taken)
      fail_at(text_, argument.column,
              fmt::format("{} has no parameter \"{}\"{}", preset.name, argument.key,
                          hint(argument.key, known)));
  }

  Placed make(const PartText& from) const {
    const PartInfo& info = *find_part(from.name);
    Placed placed{{&info, Arguments(info.parameters)}, from.column};
    Arguments& arguments = placed.part.arguments;
    for (std::size_t i = 0; i < from.arguments.size(); ++i) {
      const ArgumentText& argument = from.arguments[i];
      const Index column = argument.column == 0 ? from.column : argument.column;
      if (info.parameters.empty())
        fail_at(text_, column, fmt::format("{} has no parameters", info.name));
      if (argument.key.empty() && i > 0)
        fail_at(text_, column,
                fmt::format("only the first value may come without its name; write "
                            "key={}",
                            argument.value));
      const std::string_view key = argument.key.empty() ? info.parameters[0].name : argument.key;
      std::vector<std::string_view> known;
      for (const Parameter& parameter : info.parameters) known.push_back(parameter.name);
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail_at(text_, column,
                fmt::format("{} has no parameter \"{}\"{}", info.name, key, hint(key, known)));
      if (arguments.given(key))
        fail_at(text_, column, fmt::format("{} of {} is given twice", key, info.name));
      const std::string refusal = arguments.set(key, argument.value);
      if (!refusal.empty()) fail_at(text_, column, refusal);
    }
    const std::string_view refusal = info.refuses ? info.refuses(arguments) : "";
    if (!refusal.empty()) fail_at(text_, from.column, fmt::format("{}: {}", info.name, refusal));
    return placed;
  }

  void place(Stage& stage, Placed& placed) const {
    const auto only = [&](Part& slot) {
      if (slot.info != nullptr)
        fail_at(
            text_, placed.column,
            fmt::format("a stage has one {}, but {} and {} are given; stages chain with \"then\"",
                        to_string(slot.info->kind), slot.info->name, placed.part.info->name));
      slot = std::move(placed.part);
    };
    switch (placed.part.info->kind) {
      case PartKind::scorer:
        if (!stage.scorer) stage.scorer = missing();
        return only(*stage.scorer);
      case PartKind::adjuster:
        return stage.adjusters.push_back(std::move(placed.part));
      case PartKind::allocator:
        return only(stage.allocator);
      case PartKind::realiser:
        return only(stage.realiser);
      case PartKind::format:
        return only(stage.format);
    }
  }

  static void complete(Stage& stage) {
    const auto fill = [](Part& slot, std::string_view name) {
      if (slot.info == nullptr) slot = {find_part(name), Arguments(find_part(name)->parameters)};
    };
    const bool format_alone = !stage.scorer && !stage.budget && stage.format.info != nullptr;
    if (format_alone) fill(stage.allocator, "keep_all");
    const PartInfo* realiser = stage.realiser.info;
    if (realiser != nullptr && realiser->runs_model && realiser->required_allocator != nullptr)
      fill(stage.allocator, realiser->default_allocator);
    fill(stage.allocator, stage.scorer ? stage.scorer->info->default_allocator : "uniform");
    fill(stage.realiser, stage.scorer ? stage.scorer->info->default_realiser : "drop");
    fill(stage.format, "bf16");
  }

  void check(const Stage& stage) const {
    const Part& allocator = stage.allocator;
    const std::string_view name = allocator.info->name;
    const bool scored = allocator.info->needs_scorer == nullptr ||
                        allocator.info->needs_scorer(allocator.arguments);
    if (!stage.scorer && scored) refuse_unscored(stage);
    for (const Part* part : stage.all()) {
      const PartInfo& info = *part->info;
      const std::string_view required =
          info.required_allocator ? info.required_allocator(part->arguments) : "";
      if (info.refine != nullptr && allocator.info->owns_choice)
        fail_at(text_, from_.column,
                fmt::format("{} chooses within each lane, but {} gives all lanes their entries",
                            info.name, name));
      if (!required.empty() && required != name)
        fail_at(text_, from_.column,
                fmt::format("{}{} works with the allocator {} only, not with {}", info.name,
                            part->arguments.to_string(), required, name));
      if (info.requires_fraction && info.requires_fraction(part->arguments) &&
          !(stage.budget && stage.budget->unit == BudgetUnit::fraction))
        fail_at(text_, from_.column,
                fmt::format("{}{} works with a budget in fractions only, such as \"@ 0.5\"",
                            info.name, part->arguments.to_string()));
    }
    if (stage.budget && allocator.info->ignores_budget)
      fail_at(
          text_, from_.column,
          fmt::format("\"{}\" says by itself how much stays; leave out the budget @ {}, or give it "
                      "to a second stage: \"... then attention(tail) + positions @ 3x\"",
                      asks_for(stage, name), to_string(*stage.budget)));
    if (stage.budget && stage.budget->unit == BudgetUnit::automatic) check_guarded(stage);
    const std::string_view size = allocator.info->sized_by;
    if (!is_sized(stage))
      fail_at(
          text_, from_.column,
          fmt::format("a budget is missing: how much to remove (\"@ 0.5\"), a ratio (\"@ 4x\"), "
                      "entries per "
                      "lane (\"@ 1024tok\"){} bytes (\"@ 64MiB\"){}",
                      size.empty() ? " or" : ",",
                      size.empty() ? "" : fmt::format(" or, without one, {}({}=...)", name, size)));
    if (stage.budget && !size.empty() && allocator.arguments.given(size))
      fail_at(text_, from_.column,
              fmt::format("{}({}=...) and the budget @ {} both say how much stays: give one", name,
                          size, to_string(*stage.budget)));
  }

  [[noreturn]] void refuse_unscored(const Stage& stage) const {
    const std::string_view name = stage.allocator.info->name;
    const auto names_it = [&](const PartText& part) { return part.name == name; };
    if (std::any_of(from_.parts.begin(), from_.parts.end(), names_it))
      fail_at(text_, from_.column,
              fmt::format("{} needs a scorer, for example \"snapkv + {}\"", name, name));
    const bool format_alone = from_.parts.size() == 1 &&
                              find_part(from_.parts[0].name) != nullptr &&
                              find_part(from_.parts[0].name)->kind == PartKind::format;
    fail_at(
        text_, from_.column,
        fmt::format("a scorer is missing, which says what stays: for example \"snapkv + {}{}\"{}",
                    from_.parts[0].name, stage.budget ? " @ " + to_string(*stage.budget) : " @ 0.5",
                    format_alone ? fmt::format("; or \"{}\" without a budget, which keeps all",
                                               from_.parts[0].name)
                                 : ""));
  }

  // The guard tries one ratio after the other, before any question, so larger ratios must lose
  // more.
  void check_guarded(const Stage& stage) const {
    const auto refuse = [&](std::string_view part, std::string_view why) {
      fail_at(text_, from_.column,
              fmt::format("{} {}, so \"@ auto\" cannot guard it; give a fixed budget such as "
                          "\"@ 4x\"",
                          part, why));
    };
    if (!stage.allocator.info->nested)
      refuse(stage.allocator.info->name,
             "does not choose in one order (uniform, global and adakv do)");
    if (stage.realiser.info->name != "drop")
      refuse(stage.realiser.info->name, "changes what is kept (drop does not)");
    for (const Part* part : stage.all()) {
      if (sees_question(*part->info, part->arguments))
        refuse(part->info->name, "looks at the question");
      if (part->info->refine != nullptr) refuse(part->info->name, "chooses anew at every budget");
    }
  }

  std::string_view text_;
  const StageText& from_;
  std::optional<Budget> preset_budget_;
};

// All parts of all stages share one set of signals.
void check_signals_agree(std::string_view text, const std::vector<Stage>& stages) {
  try {
    SignalNeeds all;
    for (const Stage& stage : stages) all |= needs_of(stage);
  } catch (const Error& error) {
    fail_at(text, 1, error.what());
  }
}

}  // namespace

std::vector<const Part*> Stage::all() const {
  std::vector<const Part*> out;
  if (scorer) out.push_back(&*scorer);
  for (const Part& adjuster : adjusters) out.push_back(&adjuster);
  for (const Part* part : {&allocator, &realiser, &format}) out.push_back(part);
  return out;
}

bool Stage::weighs() const {
  return realiser.info->weighs != nullptr && realiser.info->weighs(realiser.arguments);
}

std::vector<Stage> read_stages(std::string_view text) {
  const std::vector<StageText> read = read_recipe(text);
  const PartText& first = read[0].parts[0];
  if (first.name == "auto" && read.size() == 1 && read[0].parts.size() == 1 && !read[0].budget)
    return read_stages(fmt::format("{} @ {}", kDefaultRecipe, text));
  if (is_full_name(first.name)) {
    if (read.size() > 1 || read[0].parts.size() > 1 || !first.arguments.empty() || read[0].budget)
      fail_at(text, first.column, "\"full\" stands alone: no arguments, parts, budget or stages");
    return {};
  }
  std::vector<Stage> stages;
  for (const StageText& stage : read) stages.push_back(StageReader(text, stage).read());
  for (const Stage& stage : stages)
    if (stages.size() > 1 && stage.budget && stage.budget->unit == BudgetUnit::automatic)
      fail_at(text, 1, "\"@ auto\" is for recipes of one stage; give every stage a fixed budget");
  check_signals_agree(text, stages);
  return stages;
}

std::string needs_beside(const Preset& preset) {
  const std::vector<StageText> read = read_recipe(preset.text);
  const Stage stage = StageReader(preset.text, read.front()).complete_stage();
  if (is_sized(stage)) return "";
  const std::string_view size = stage.allocator.info->sized_by;
  return size.empty() ? "a budget" : fmt::format("a budget or {}=...", size);
}

std::string full_summary(const Preset& preset) {
  const std::string needs = needs_beside(preset);
  return std::string(preset.summary) + (needs.empty() ? "" : fmt::format(" (needs {})", needs));
}

std::string to_string(std::span<const Stage> stages) {
  if (stages.empty()) return std::string(kFull);
  std::string out;
  for (const Stage& stage : stages) out += (out.empty() ? "" : " then ") + to_string(stage);
  return out;
}

std::string to_string(const Stage& stage) {
  std::string out;
  for (const Part* part : stage.all())
    out += fmt::format("{}{}{}", out.empty() ? "" : " + ", part->info->name,
                       part->arguments.to_string());
  if (stage.budget) out += " @ " + to_string(*stage.budget);
  return out;
}

SignalNeeds needs_of(const Stage& stage) {
  SignalNeeds needs;
  for (const Part* part : stage.all())
    if (part->info->needs != nullptr) needs |= part->info->needs(part->arguments);
  return needs;
}

}  // namespace pith::recipe
