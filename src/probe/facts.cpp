#include "probe/facts.h"

namespace pith::probe {

Facts facts_of(const Report& report) {
  Facts facts;
  facts.tags.resize(report.questions.size());
  for (const QuestionInfo& question : report.questions)
    facts.alone.push_back(question.pooled_alone);
  for (const ArmReport& arm : report.arms) {
    ArmFacts& out = facts.arms.emplace_back();
    out.request = arm.request;
    out.ratio = arm.ratio;
    out.removed = arm.removed;
    out.eviction = arm.eviction.all;
    out.ger_proxy = arm.ger_proxy;
    out.jaccard = arm.overlap.all;
    out.routes = arm.routes.by_spread;
    for (const Consensus& layer : arm.watched.without_sinks) {
      out.head_diversity.push_back(layer.head_diversity);
      out.agreement.push_back(layer.agreement);
    }
    out.replay = arm.replay;
    out.answers = arm.answers;
    for (const AnswerReport& answer : arm.questions)
      out.questions.push_back(
          {.question = answer.question,
           .stated = !report.questions[static_cast<std::size_t>(answer.question)].places.empty(),
           .ger = answer.ger.all,
           .ger_layers = answer.ger.mean,
           .all_gone = answer.all_gone,
           .judgement = answer.judgement,
           .outcome = answer.outcome,
           .pooled = answer.pooled});
  }
  return facts;
}

}  // namespace pith::probe
