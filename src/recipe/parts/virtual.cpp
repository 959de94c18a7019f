// virtual: the document's entries give way to fewer ones that no token produced: embeddings are
// optimised, turn after turn on top of what is already compressed, until the values that they give
// in every layer are the pooled values of the tokens they stand for (S2), or until the model writes
// the turn's text behind them (cramming). It runs the model, forwards and backwards, for hundreds
// of steps.

#include "base/error.h"
#include "recipe/model_access.h"
#include "recipe/parts/parts.h"

namespace pith::recipe {
namespace {

void realise(const Scene& scene, const Arguments& arguments, const Scores&, cache::Plan& plan) {
  if (scene.model() == nullptr)
    fail(ErrorCode::bad_recipe,
         "virtual optimises entries by running the model, which this command does not lend to "
         "recipes; use pith run or pith eval with the schedule prefill");
  auto entries = scene.model()->virtual_entries({.ratio = arguments.real("ratio"),
                                                 .turn = arguments.integer("turn"),
                                                 .steps = arguments.integer("steps"),
                                                 .least_steps = arguments.integer("least_steps"),
                                                 .rate = arguments.real("lr"),
                                                 .noise = arguments.real("noise"),
                                                 .seed = arguments.integer("seed"),
                                                 .pooling = arguments.choice("pooling"),
                                                 .loss = arguments.choice("loss"),
                                                 .exempt = arguments.choice("exempt"),
                                                 .exact_turns = arguments.integer("exact"),
                                                 .whole_turns = arguments.flag("whole_turns")});
  for (Index lane : scene.lanes()) plan.lanes[lane].add = std::move(entries[lane]);
}

SignalNeeds needs(const Arguments& arguments) {
  SignalNeeds needs{.sentences = true};
  needs.question_queries = arguments.choice("pooling") == "attention";
  needs.turns = arguments.integer("exact") > 0 || arguments.flag("whole_turns");
  needs.surprisal = arguments.flag("whole_turns");
  return needs;
}

std::string_view refuses(const Arguments& arguments) {
  if (arguments.choice("pooling") == "attention" && arguments.choice("loss") == "KV")
    return "loss=KV is for targets that do not look at the question";
  if (arguments.choice("loss") == "tokens" &&
      (arguments.choice("pooling") != "surprisal" || arguments.choice("exempt") != "none"))
    return "loss=tokens has the turn's text for its goal: it takes no pooling and exempts no token";
  return "";
}

}  // namespace

PartInfo virtual_part() {
  return {
      .name = "virtual",
      .kind = PartKind::realiser,
      .summary = "optimised entries that reproduce the values of the tokens they stand for",
      .source = "Kalugotla 2026 (S2, bearing-research)",
      .cost = Cost::optimisation,
      .parameters =
          {real("ratio", "2", 1, 1000, "source tokens per virtual entry"),
           integer("steps", "300", 0, 1 << 20, "of optimisation for every 250 tokens of a turn"),
           integer("least_steps", "100", 0, 1 << 20, "and at least so many for a turn"),
           real("lr", "0.003", 0, 1000, "learning rate of Adam"),
           real("noise", "0", 0, 1, "standard deviation added to the first embeddings"),
           choice("pooling", {"surprisal", "mean", "equal_surprisal", "attention"},
                  "targets: values weighted by surprisal, evenly, or over stretches of equal "
                  "surprisal; or by what the question attends to"),
           choice(
               "loss", {"V", "KV", "tokens"},
               "what must be reproduced: values, or keys too, or the turn's text by the model "
               "that is fed it (Cramming, arXiv 2502.13063: AdamW with its betas and decay, ends "
               "when every token is predicted; its lr is 0.01)"),
           integer("turn", "250", 1, 65536,
                   "tokens compressed at once, at most; documents are cut where sentences begin, "
                   "conversations into their turns, however long"),
           integer("exact", "0", 0, 65536,
                   "newest turns of a conversation that stay exact, read behind the others"),
           choice("exempt", {"none", "unlike", "code"},
                  "tokens that stay exact: the 15 % whose values differ most from their "
                  "neighbours', or paths, imports and quoted literals; the rest gives more"),
           flag("whole_turns", "false",
                "turns of the highest mean surprisal stay whole while the others, at 8 tokens an "
                "entry, can meet the ratio"),
           integer("seed", "42", 0, 0x1p52, "of the noise")},
      .needs = needs,
      .realise = realise,
      .runs_model = true,
      .refuses = refuses,
      .default_allocator = "prefix_only",
      .adds = [](const Scene& scene, const Arguments&, Index lane) { return scene.size(lane); },
      .required_allocator = [](const Arguments&) { return std::string_view("prefix_only"); }};
}

}  // namespace pith::recipe
