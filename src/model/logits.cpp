#include "model/logits.h"

#include <algorithm>
#include <cmath>

namespace pith {

Index likeliest(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

double log_total(std::span<const float> logits) {
  const auto top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

double surprisal(std::span<const float> logits, Index token) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit - top));
  return std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)] - top);
}

}  // namespace pith
