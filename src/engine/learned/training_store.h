// A folder of trainings: how each stands, finished or not, under the name of all that decides it.
// Recipes that share their first stage share its minutes, and a run that was killed goes on in the
// middle of a turn. It trains nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/learned/training.h"

namespace pith {

class TrainingStore {
 public:
  // Called while a turn is trained: its number from 1, all turns, steps done, steps to do, loss.
  using OnTurnStep = std::function<void(Index, Index, Index, Index, float)>;

  explicit TrainingStore(std::filesystem::path folder, OnTurnStep on_step = {});

  // Throws bad_file, naming the file to delete, for a damaged one.
  std::optional<TrainingState> find(const std::string& name) const;
  // Appears whole or not at all.
  void keep(const std::string& name, const TrainingState& state) const;
  // To go on with what is kept under the name, and to keep it there. This must outlive it.
  Checkpoint checkpoint(const std::string& name) const;

  const OnTurnStep& on_step() const { return on_step_; }

 private:
  std::filesystem::path path_of(const std::string& name) const;

  std::filesystem::path folder_;
  OnTurnStep on_step_;
};

// The name of the training of a turn: a hash of what came before (the name of the turn before it,
// or all that decides the first), and of the turn.
std::string training_name(std::string_view before, std::span<const Token> turn);

}  // namespace pith
