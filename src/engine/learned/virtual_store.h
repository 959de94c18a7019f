// A folder of optimised virtual tokens: what an optimisation came to, finished or not, under the
// name of all that decides it. Recipes that share their first stage share its minutes, and a run
// that was killed goes on in the middle of a turn. It optimises nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "engine/learned/virtual_tokens.h"

namespace pith {

class VirtualStore {
 public:
  // Called while a turn is optimised: its number from 1, all turns, steps done, steps to do, loss.
  using OnStep = std::function<void(Index, Index, Index, Index, float)>;

  explicit VirtualStore(std::filesystem::path folder, OnStep on_step = {});

  // Throws bad_file, naming the file to delete, for a damaged one.
  std::optional<VirtualState> find(const std::string& name) const;
  // Appears whole or not at all.
  void keep(const std::string& name, const VirtualState& state) const;

  const OnStep& on_step() const { return on_step_; }

 private:
  std::filesystem::path path_of(const std::string& name) const;

  std::filesystem::path folder_;
  OnStep on_step_;
};

// The name of a turn's optimisation: a hash of what came before (the name of the turn before it, or
// all that decides the first), and of the turn.
std::string virtual_name(std::string_view before, std::span<const Token> turn);

}  // namespace pith
