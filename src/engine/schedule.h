// Schedules: when a recipe runs, apart from what it does. It runs nothing: Keeper does.
//
//     prefill     once, when the document is read (the default)
//     chunk:512   while reading, after every 512 tokens: peak memory stays bounded
//     turn        after every turn of a conversation, that turn
//     again       after every turn of a conversation, all that is left so far
//     every:128   while writing, after every 128 tokens
//     over:64MiB  whenever the cache is larger than that
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith {

enum class When { prefill, chunk, turn, again, every, over };

struct Schedule {
  When when = When::prefill;
  Index value = 0;  // tokens of chunk and every, bytes of over
  friend bool operator==(const Schedule&, const Schedule&) = default;
};

// Throws bad_input that says what is known and which of it is `allowed` here.
Schedule parse_schedule(std::string_view text, const std::vector<When>& allowed);
std::string to_string(const Schedule& schedule);  // parse_schedule gives the same back

}  // namespace pith
