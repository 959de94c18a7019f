// learned: what stays is trained, keys and values, through the frozen model, until the model
// repeats the document from it as it does from the whole cache (after Cartridges). Scorer and
// allocator say which entries it starts from and how many. It runs the model, forwards and
// backwards, for hundreds of steps.
//
// start=matched: from what `match` makes of them, whose entries then count by their weights, which
// are not trained.
//
// Cartridges starts from the first tokens' entries and studies conversations that the model makes
// up about the document; here the start is whatever was chosen and the lessons are requests to
// repeat a stretch of the document, so no question that is asked later was seen.

#include <fmt/format.h>

#include "base/error.h"
#include "recipe/model_access.h"
#include "recipe/parts/parts.h"
#include "recipe/references.h"

namespace pith::recipe {
namespace {

bool starts_matched(const Arguments& arguments) { return arguments.choice("start") == "matched"; }

void match_first(const Scene& scene, const Arguments& arguments, const Scores& scores,
                 cache::Plan& plan) {
  static const PartInfo match = match_part();
  Arguments own(match.parameters);
  own.set("references", fmt::format("{}", arguments.integer("references")));
  match.realise(scene, own, scores, plan);
}

void realise(const Scene& scene, const Arguments& arguments, const Scores& scores,
             cache::Plan& plan) {
  if (scene.model() == nullptr)
    fail(ErrorCode::bad_recipe,
         "learned trains entries by running the model, which this command does not lend to "
         "recipes; use pith run or pith eval with the schedule prefill");
  bool gone = false, was_gone = false;
  for (const Index lane : scene.lanes()) {
    gone |= std::ssize(plan.lanes[lane].keep) < scene.size(lane);
    was_gone |= scene.size(lane) < scene.signals().tokens;
  }
  if (!gone && was_gone)
    fail(ErrorCode::bad_recipe,
         "learned trains what its own stage leaves to stand for what that evicts, and this stage "
         "evicts nothing; put learned into the stage that does");
  if (!gone) return;
  if (starts_matched(arguments)) match_first(scene, arguments, scores, plan);
  scene.model()->learn_entries({.steps = arguments.integer("steps"),
                                .rate = arguments.real("lr"),
                                .length = arguments.integer("length"),
                                .teacher = arguments.integer("teacher"),
                                .seed = arguments.integer("seed")},
                               scene.cache(), plan);
}

}  // namespace

PartInfo learned_part() {
  return {.name = "learned",
          .kind = PartKind::realiser,
          .summary = "what stays is trained until the model repeats the document from it",
          .source = "after Cartridges, arXiv 2506.06266",
          .cost = Cost::optimisation,
          .parameters =
              {integer("steps", "200", 0, 1 << 20,
                       "of training, in f32; a packed format rounds what comes of it"),
               real("lr", "0.01", 0, 1000, "learning rate of Adam, falling to 0 over the steps"),
               integer("length", "64", 1, 65536, "tokens of the document that a step repeats"),
               integer("teacher", "20", 0, 1024,
                       "a step's targets: so many of the likeliest tokens behind the whole cache, "
                       "with their probabilities; 0: the document's own tokens"),
               integer("seed", "42", 0, 0x1p52, "of the order of stretches"),
               choice("start", {"kept", "matched"},
                      "kept: from entries as they are; matched: from what `match` fits to the "
                      "queries of a replay"),
               reference_count()},
          .needs =
              [](const Arguments& arguments) {
                SignalNeeds needs{.answer_prompt = true};
                if (starts_matched(arguments))
                  needs |= reference_needs("repeat", arguments.integer("references"));
                return needs;
              },
          .realise = realise,
          .runs_model = true,
          .late = true,
          .weighs = starts_matched};
}

}  // namespace pith::recipe
