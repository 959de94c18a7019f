#include "engine/schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pith {
namespace {

constexpr auto kAll = {When::prefill, When::chunk, When::turn,
                       When::again,   When::every, When::over};

std::string refusal(std::string_view text, std::initializer_list<When> allowed = kAll) {
  try {
    parse_schedule(text, allowed);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Schedule, PrintsWhatItReads) {
  for (const char* text :
       {"prefill", "chunk:512", "turn", "again", "every:128", "over:64MiB", "over:1.5KiB"})
    EXPECT_EQ(to_string(parse_schedule(text, kAll)), text);
  EXPECT_EQ(parse_schedule("over:2MiB", kAll), (Schedule{When::over, 2 << 20}));
}

TEST(Schedule, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "chunk", "chunk:", "chunk:0", "chunk:1.5", "chunk:5x", "turn:3",
                           "every:-1", "over:64", "over:4x", "sometimes", "prefill:1"})
    EXPECT_NE(refusal(text).find("is no schedule; expected prefill, chunk:512, turn"),
              std::string::npos)
        << text;
}

TEST(Schedule, SaysWhatACommandTakes) {
  EXPECT_EQ(refusal("turn", {When::prefill, When::chunk}),
            "--when: turn makes no sense in this command; expected prefill, chunk:512");
}

}  // namespace
}  // namespace pith
