// Probing classifiers: how much of a label a linear model can still read off hidden states. A probe
// measures that something is present, not that the model uses it (S1, arXiv 2603.01426). Pure
// arithmetic over feature vectors; no model.
#pragma once

#include <span>
#include <vector>

#include "base/types.h"

namespace pith::probe {

struct Samples {
  Index features = 0;         // F
  std::vector<float> x;       // [n, F], such as hidden states averaged over a question's tokens
  std::vector<Index> labels;  // [n], below `classes`
  std::vector<Index> groups;  // [n] the passage that a sample is from: never split
  Index classes = 0;
  Index size() const { return std::ssize(labels); }
};

// Multinomial logistic regression with an L2 penalty on the weights, not on the biases: minimises
// mean cross entropy + l2 / 2 |W|^2 over standardised features. Deterministic.
class LinearProbe {
 public:
  static LinearProbe train(const Samples& samples, std::span<const Index> rows, double l2);
  Index predict(std::span<const float> x) const;  // [F]

 private:
  Index features_ = 0, classes_ = 0;
  std::vector<double> mean_, scale_;  // [F]
  std::vector<double> weights_;       // [classes, F + 1], the bias last
};

// The mean over classes of the F1 of each; classes that neither occur nor are predicted do not
// count. 0 of none.
double macro_f1(std::span<const Index> labels, std::span<const Index> predicted, Index classes);

struct ProbeOptions {
  double l2 = 0.1;
  double train_share = 0.8;  // of the groups
  Index seeds = 5;           // splits
};
struct ProbeScore {
  double macro_f1 = 0;   // mean over the splits, on the groups that were held out
  double deviation = 0;  // its standard deviation over the splits
};
// Throws bad_input for fewer than two groups or classes.
ProbeScore probe_score(const Samples& samples, const ProbeOptions& options = {});

}  // namespace pith::probe
