#include "engine/learned/cramming.h"

#include "base/error.h"

namespace pith {

CrammingGoal::CrammingGoal(Engine& engine, const PastLanes& past, std::span<const Token> text,
                           Index position)
    : engine_(engine),
      pass_(engine.model(), past, engine.config().layer_count(), true, engine.options().numerics,
            engine.pool()),
      text_(text.begin(), text.end()),
      position_(position),
      text_rows_(token_embeddings(engine.model(), text.first(text.size() - 1))) {}

float CrammingGoal::forward(std::span<const float> embeddings, std::span<const Index> positions) {
  count_ = std::ssize(positions);
  std::vector<float> rows(embeddings.begin(), embeddings.end());
  rows.insert(rows.end(), text_rows_.begin(), text_rows_.end());
  std::vector<Index> all(positions.begin(), positions.end());
  std::vector<RowTarget> wanted(positions.size());
  for (Index i = 0; i < targets(); ++i) {
    all.push_back(position_ + i);
    wanted.push_back({{text_[static_cast<std::size_t>(i + 1)], 1}});
  }
  pass_.forward(rows, all);
  gradient_.resize(rows.size());
  loss_ = token_loss(engine_.model(), pass_.hidden(), wanted, gradient_, engine_.options().numerics,
                     engine_.pool());
  return static_cast<float>(loss_.loss);
}

std::span<const float> CrammingGoal::backward() {
  return pass_.backward({}, gradient_)
      .first(static_cast<std::size_t>(count_ * engine_.config().width));
}

}  // namespace pith
