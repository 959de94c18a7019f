#include "api/answers.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pithkv {

pith::GenerateOptions generation(std::int64_t max_tokens, double temperature, std::uint64_t seed,
                                 const std::vector<std::string>& stop) {
  if (max_tokens < 0)
    pith::fail(ErrorCode::bad_input,
               fmt::format("max_tokens={}: 0 or more tokens were expected", max_tokens));
  const pith::Sampling sampling{.temperature = temperature, .seed = seed};
  pith::Sampler checks(sampling);
  return {.max_tokens = max_tokens, .sampling = sampling, .stop = stop};
}

}  // namespace pithkv
