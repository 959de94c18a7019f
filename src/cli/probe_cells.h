// What a cohort shows, printed: one row per recipe and ratio, and the curves of each recipe. It
// measures nothing.
#pragma once

#include <string>

#include "probe/cohort.h"
#include "probe/examine.h"

namespace pith::cli {

struct CohortTitle {
  std::string task, questions;  // "all" or a task; agnostic or aware
  std::string tag;              // of the classifiers
};

void put_cohort(const CohortTitle& title, const probe::ExamineOptions& options,
                probe::Cohort& cohort, bool json);

}  // namespace pith::cli
