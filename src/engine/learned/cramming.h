// Cramming (Kuratov et al. 2025, arXiv 2502.13063): embeddings behind which the frozen model writes
// a text word by word. The loss is the cross entropy of the text's second to last token, the text
// itself being fed (its first token is given). It measures what a few vectors can carry, not what
// a question gets out of them.
//
// In a conversation the embeddings take the positions of their turn, like those of the V loss, and
// the text follows behind it, where the next turn will be.
#pragma once

#include <vector>

#include "engine/engine.h"
#include "engine/learned/virtual_goal.h"
#include "model/token_loss.h"

namespace pith {

class CrammingGoal final : public VirtualGoal {
 public:
  // `past` must outlive this; `position` is that of the text's first token.
  CrammingGoal(Engine& engine, const PastLanes& past, std::span<const Token> text, Index position);

  float forward(std::span<const float> embeddings, std::span<const Index> positions) override;
  std::span<const float> backward() override;
  const RowEntries& entries() const override { return pass_.entries(); }
  std::optional<Index> hits() const override { return loss_.hits; }
  Index targets() const override { return static_cast<Index>(text_.size()) - 1; }

 private:
  Engine& engine_;
  GradientPass pass_;
  std::vector<Token> text_;
  Index position_;
  std::vector<float> text_rows_;  // [N - 1, E]
  Index count_ = 0;               // n_v
  TokenLoss loss_;
  std::vector<float> gradient_;  // [n_v + N - 1, E] of hidden states
};

}  // namespace pith
