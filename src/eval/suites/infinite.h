// Makers of InfiniteBench's six generable tasks. It holds no prompts of the six that need data.
#pragma once

#include "eval/suites/family.h"

namespace pith::eval::infinite {

Document make_passkey(const Request& request);  // and number_string
Document make_kv_retrieval(const Request& request);
Document make_math_find(const Request& request);
Document make_math_calc(const Request& request);
Document make_code_run(const Request& request);

}  // namespace pith::eval::infinite
