// Calibrates a model for the recipe parts that need it: reads generated documents, replays them,
// and fits. It writes no file (Calibration::save does) and invents no text.
#pragma once

#include <memory>
#include <vector>

#include "engine/calibration/calibration.h"
#include "engine/prompt.h"

namespace pith {

class Calibrator {
 public:
  explicit Calibrator(std::shared_ptr<Engine> engine);
  ~Calibrator();

  // Reads and replays one document (a replay costs about as much again).
  void add(const DocumentPrompt& document);
  Index tokens() const { return tokens_; }

  // What was found in the documents so far. `ridge` is relative to the mean square of the hidden
  // states' components.
  Calibration finish(double ridge = 1e-3);

 private:
  struct Layer;
  std::shared_ptr<Engine> engine_;
  std::vector<Layer> layers_;
  Index tokens_ = 0;
};

// How well the engine's calibration predicts kvzip_plus' log scores on a document that it has not
// seen: Pearson's correlation over all tokens and heads of all layers together (what a global
// budget looks at), and the mean over layers of that within a layer.
struct KvzapQuality {
  double overall = 0, within_layers = 0;
};
KvzapQuality measure_kvzap(const std::shared_ptr<Engine>& engine, const DocumentPrompt& document);

}  // namespace pith
