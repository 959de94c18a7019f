#include "probe/fidelity.h"

#include <algorithm>
#include <cmath>

namespace pith::probe {
namespace {

// log of the sum of exponentials.
double log_total(std::span<const float> logits) {
  const auto top = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

}  // namespace

double kl_divergence(std::span<const float> full, std::span<const float> other) {
  const double a = log_total(full), b = log_total(other);
  double sum = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    const double log_p = static_cast<double>(full[i]) - a,
                 log_q = static_cast<double>(other[i]) - b;
    sum += std::exp(log_p) * (log_p - log_q);
  }
  return std::max(0.0, sum);  // rounding may leave a negative zero
}

Index likeliest(std::span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

double surprisal(std::span<const float> logits, Index token) {
  return log_total(logits) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

void Fidelity::add(std::span<const float> full, std::span<const float> other, Index next) {
  add(Fidelity{.rows = 1,
               .kl = kl_divergence(full, other),
               .top1 = likeliest(full) == likeliest(other) ? 1.0 : 0.0,
               .surprisal = probe::surprisal(other, next),
               .surprisal_full = probe::surprisal(full, next)});
}

void Fidelity::add(const Fidelity& other) {
  if (other.rows == 0) return;
  const double share = static_cast<double>(other.rows) / static_cast<double>(rows + other.rows);
  const auto join = [&](double& mine, double theirs) { mine += share * (theirs - mine); };
  join(kl, other.kl);
  join(top1, other.top1);
  join(surprisal, other.surprisal);
  join(surprisal_full, other.surprisal_full);
  rows += other.rows;
}

}  // namespace pith::probe
