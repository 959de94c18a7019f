// What a kind of signal is, in one table: what a need of it is called, how two needs join, what it
// can be collected over and where it comes from. How it is collected is the engine's business
// (engine/signals), whether it is there that of signal_check.h.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "recipe/signals.h"

namespace pith::recipe {

// The least that a kind of signal can be collected over: a piece of a text, after which the cache
// may be compressed and the next one read; a turn of a conversation; the whole text.
enum class Over { piece, turn, document };

// Where it comes from; if none of these, from a pass or a computation of its own.
struct SignalSource {
  bool watched = false;     // seen by who watches the model read
  bool calibrated = false;  // looked up in what was calibrated for the model
  bool given = false;       // known with the text, the question or a file, asked for or not
};

struct SignalKind {
  // What asks for it. Of two needs a flag is set that either has, lists are united, and the larger
  // count serves both, unless one reading can serve one count only, which `values` says.
  using Field =
      std::variant<bool SignalNeeds::*, Index SignalNeeds::*, std::vector<Index> SignalNeeds::*,
                   std::vector<LocalAttention> SignalNeeds::*,
                   std::vector<SelfStudy> SignalNeeds::*, std::vector<std::string> SignalNeeds::*>;

  std::string_view name;  // as docs and messages say it
  Over over;
  Field field;
  SignalSource from = {};
  // For the refusal of two counts: what they are of, and the parameter that says them.
  std::string_view values = {}, parameter = {};
};

// All of them, in the order in which they are named.
std::span<const SignalKind> signal_kinds();

// Whether they ask for a kind that `is` holds for; and what is left without those.
bool asks_any(const SignalNeeds& needs, bool (*is)(const SignalKind&));
SignalNeeds without(SignalNeeds needs, bool (*is)(const SignalKind&));

// Whether a reading for `collected` can serve `wanted`, as far as that is up to the reading.
bool covers(const SignalNeeds& collected, const SignalNeeds& wanted);

}  // namespace pith::recipe
