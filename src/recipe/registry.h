// The registry: every part of the language as a record of what it is, what it needs and the pure
// function that does it. It is a plain list in registry.cpp; nothing registers itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/plan.h"
#include "recipe/scene.h"
#include "recipe/signals.h"

namespace pith::recipe {

enum class PartKind { scorer, adjuster, allocator, realiser, format };
std::string_view to_string(PartKind kind);

enum class ParameterType { integer, real, flag, choice, text };
std::string_view to_string(ParameterType type);

struct Parameter {
  std::string_view name = {};
  ParameterType type = ParameterType::integer;
  std::string_view default_value = {};  // as the grammar writes it
  double least = 0, most = 0;           // of integers and reals, both allowed
  std::vector<std::string_view> choices = {};
  std::string_view doc = {};
  // Where the parameter `with` is given another value than its own default, the default is this.
  std::string_view with = {}, default_with = {};
  // Nothing is meant where it is not given; the default only fills its place.
  bool no_default = false;

  Parameter unless(std::string_view other, std::string_view value) const;
  Parameter without_default() const;
};

Parameter integer(std::string_view name, std::string_view value, double least, double most,
                  std::string_view doc);
Parameter real(std::string_view name, std::string_view value, double least, double most,
               std::string_view doc);
Parameter flag(std::string_view name, std::string_view value, std::string_view doc);
Parameter choice(std::string_view name, std::vector<std::string_view> choices,
                 std::string_view doc);  // the first one is the default
Parameter text(std::string_view name, std::string_view value, std::string_view doc);
Parameter quirk(std::string_view what_kvpress_does);  // quirk=none|kvpress

// The values of a part's parameters. Asking for a name that the part lacks is a programmer error.
class Arguments {
 public:
  explicit Arguments(const std::vector<Parameter>& parameters);  // all defaults
  // Nothing happens and the reason is returned if `value` does not fit the parameter.
  std::string set(std::string_view name, std::string_view value);

  Index integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::string_view choice(std::string_view name) const;
  std::string_view text(std::string_view name) const;  // "" for the default
  bool kvpress_quirk() const;                          // quirk=kvpress
  bool given(std::string_view name) const;
  bool has(std::string_view name) const;  // whether the part has such a parameter
  // "(key=value, ...)" of what differs from the defaults or has none and is given, or "".
  std::string to_string() const;

 private:
  struct Value {
    const Parameter* parameter;
    double number;
    std::string text;  // canonical
    bool given;
  };
  const Value& find(std::string_view name) const;
  std::string_view default_of(const Value& value) const;
  std::string assign(Value& value, std::string_view text) const;
  std::vector<Value> values_;
};

// What it costs to have the scores, for people who choose.
enum class Cost {
  columns,       // reads positions and spans only
  keys,          // one pass over keys or values
  window,        // attention of a few queries over all keys
  moments,       // D^2 per key and query head
  prefill,       // taps the attention of the whole prefill
  logits,        // the vocabulary's logits for every token
  values,        // the output projection of every value
  replay,        // a second pass as long as the prefill
  optimisation,  // hundreds of passes forwards and backwards
};
std::string_view to_string(Cost cost);

struct PartInfo {
  std::string_view name = {};
  PartKind kind = PartKind::scorer;
  std::string_view summary = {};  // one line
  std::string_view source = {};   // paper or code, with its arXiv id
  Cost cost = Cost::columns;
  bool oracle = false;  // uses the uncompressed cache where a deployment could not
  bool blind = false;   // a scorer that looks at neither text nor model: a control
  std::vector<Parameter> parameters = {};
  SignalNeeds (*needs)(const Arguments&) = nullptr;  // null: nothing

  // One of these, by kind. They are pure, and `score` is called for several layers at once.
  void (*score)(const Scene&, const Arguments&, Index layer,
                std::span<std::vector<float>> lanes) = nullptr;  // [Hkv][n], written in full
  void (*adjust)(const Scene&, const Arguments&, Scores&) = nullptr;
  void (*refine)(const Scene&, const Arguments&, const Scores&,
                 Selection&) = nullptr;  // of adjusters, once sizes are known: other entries for
                                         // the same sizes
  void (*prepare)(const Scene&, const Arguments&, Scores&) = nullptr;  // of allocators: what does
                                                                       // not depend on the room
  Selection (*allocate)(const Scene&, const Arguments&, const Scores&) = nullptr;
  void (*realise)(const Scene&, const Arguments&, const Scores&,
                  cache::Plan&) = nullptr;  // plan.keep is set
  // Of formats that differ by entry: sets the formats of lanes and kept entries; plan.keep is set.
  void (*assign)(const Scene&, const Arguments&, const Scores&, cache::Plan&) = nullptr;
  cache::Format format = cache::Format::bf16;  // of all entries, or of the smallest

  // How it fits with others.
  bool runs_model = false;      // asks Scene::model() for something
  bool ignores_budget = false;  // of allocators: what stays is not for a budget to say
  bool worst_case = false;   // of adjusters: scorers take the maximum where they would average over
                             // queries and query heads
  bool nested = false;       // of allocators: what stays at a budget also stays at any larger one
  bool fills_tiles = false;  // of allocators: a lane may keep its next best entries where they cost
                             // nothing, in the last of its tiles
  bool owns_choice = false;  // of allocators: lanes do not choose freely, so nothing can be refined
  std::string_view (*refuses)(const Arguments&) = nullptr;  // why values do not fit together, or ""
  std::string_view default_allocator = "uniform";           // of a scorer that is given alone
  std::string_view default_realiser = "drop";               // likewise
  bool (*needs_scorer)(const Arguments&) = nullptr;         // of allocators; null: always
  // Of allocators: the whole recipe is carried out anew after so many tokens of an answer; 0 or
  // null: never.
  Index (*again_every)(const Arguments&) = nullptr;
  bool sizes_itself = false;       // an allocator that can do without budget
  std::string_view sized_by = {};  // ... by this parameter, or, if it is given, any allocator
  bool late = false;               // of realisers: only works once it is settled what stays
  // ... and lets itself be fitted in so many blocks of layers, each to references that were read
  // through those below; 0 or null: all at once.
  Index (*fit_blocks)(const Arguments&) = nullptr;
  bool (*weighs)(const Arguments&) = nullptr;  // ... and may give every kept entry a log-weight,
                                               // which takes bytes
  Index (*adds)(const Scene&, const Arguments&, Index lane) = nullptr;  // of realisers, at most
  std::string_view (*required_allocator)(const Arguments&) = nullptr;   // "" or null: any
  bool (*requires_fraction)(const Arguments&) = nullptr;  // works with budgets in fractions only
};

const std::vector<PartInfo>& parts();
const PartInfo* find_part(std::string_view name);
bool sees_question(const PartInfo& info, const Arguments& arguments);

// Parts and presets as markdown tables with every parameter: docs/recipes.md and `pith recipes`.
std::string recipes_table();

}  // namespace pith::recipe
