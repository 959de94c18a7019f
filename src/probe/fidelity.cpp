#include "probe/fidelity.h"

#include <algorithm>
#include <cmath>

#include "model/logits.h"

namespace pith::probe {

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

void Fidelity::add(std::span<const float> full, std::span<const float> other, Index next) {
  add(Fidelity{.rows = 1,
               .kl = kl_divergence(full, other),
               .top1 = likeliest(full) == likeliest(other) ? 1.0 : 0.0,
               .surprisal = pith::surprisal(other, next),
               .surprisal_full = pith::surprisal(full, next)});
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
