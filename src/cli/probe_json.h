// A probe report as JSON: what `pith probe --json` prints and what its page draws. It computes
// nothing.
#pragma once

#include "cli/output.h"
#include "probe/report.h"

namespace pith::cli {

Json document_json(const probe::Report& report);
Json arm_json(const probe::Report& report, const probe::ArmReport& arm);
Json series_json(const probe::Series& series);

// One hexadecimal digit per four tokens of the text, lane after lane: the first of them is the
// highest bit. [L * Hkv] strings.
Json kept_json(const probe::Report& report, const probe::KeptSets& kept);

}  // namespace pith::cli
