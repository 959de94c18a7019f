// `pith calibrate --what guard`: questions on generated documents, on every rung of the guard's
// ladder; the table goes beside the model.
#pragma once

#include <string>
#include <vector>

#include "cli/options.h"

namespace pith::cli {

struct GuardCalibration {
  ModelOptions model;
  std::string recipe;                          // parts, without a budget
  std::vector<std::string> suites, tests;      // tests: only to say what the guard does on them
  Index documents = 60, tests_documents = 20;  // in all; of each test suite
  Index tokens = 1000;
  std::string records;  // file of measurements that are kept and not made again; or empty
  bool json = false;
};
void calibrate_guard(const GuardCalibration& command);

}  // namespace pith::cli
