// Measures how lanes differ, for allocators that look it up: what each lane keeps when kvzip_plus
// shares one budget among all, and over how many keys its queries spread. It chooses no text and
// writes no file.
#pragma once

#include <memory>
#include <vector>

#include "engine/calibration/calibration.h"
#include "engine/prompt.h"
#include "recipe/signals.h"

namespace pith {

class BudgetMeter {
 public:
  explicit BudgetMeter(std::shared_ptr<Engine> engine);

  // Reads and replays one document.
  void add(const DocumentPrompt& document);

  // The means over the documents so far, as the arrays of calibration.h.
  void write(Calibration& to) const;

 private:
  std::shared_ptr<Engine> engine_;
  Index documents_ = 0;
  std::vector<double> shares_;  // [G, lanes], summed over documents
  std::vector<double> spread_;  // [lanes], likewise
};

// What a calibration says of budgets, as signals. Throws as Calibration::of does.
void look_up_budgets(const Engine& engine, const recipe::SignalNeeds& needs,
                     recipe::Signals& signals);

}  // namespace pith
