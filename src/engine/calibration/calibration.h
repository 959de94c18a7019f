// What was measured once per model and is looked up at every use: named arrays of floats in a file
// that is bound to the model by its hash. How they are measured is calibrate.h's business; what
// they mean is that of the recipe parts which ask for them.
//
//     array                shape        written by          used by
//     qfilters.LAYER       [Hkv, D]     Calibrator          qfilters
//     kvzap.LAYER          [Hkv, E+1]   Calibrator          kvzap: weights of the hidden state,
//     constant
//     curves.kept          [G]          BudgetMeter         curves: parts of a cache, ascending
//     curves.shares        [G, lanes]   BudgetMeter         curves: what each lane then keeps
//     diffuseness          [lanes]      BudgetMeter         csa
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith {

class Engine;

namespace recipe {
struct SignalNeeds;
}

struct CalibratedArray {
  std::vector<Index> shape;
  std::vector<float> data;  // row-major
  friend bool operator==(const CalibratedArray&, const CalibratedArray&) = default;
};

struct Calibration {
  std::string model_name;
  std::uint64_t model_hash = 0;
  std::string note;  // how it was made, for people
  std::map<std::string, CalibratedArray, std::less<>> arrays;
  std::uint64_t contents = 0;            // XXH3 of what was read; 0 if it was not read from a file
  std::string model_argument = "MODEL";  // of the command that makes it; not in the file

  // The array, which must have this shape. Throws bad_file if it has another, not_found with the
  // command that makes it.
  const CalibratedArray& at(std::string_view name, std::span<const Index> shape) const;

  void save(const std::filesystem::path& path) const;  // appears whole or not at all
  // Throws not_found, bad_file for a damaged file.
  static Calibration load(const std::filesystem::path& path);
  static Calibration parse(std::string_view bytes, const std::string& name);
  // That of an engine's model (EngineOptions::calibration). Throws not_found with the command that
  // makes it, bad_input for another model's.
  static Calibration of(const Engine& engine);
};

// What `pith calibrate -m` calls an engine's model: its file, or MODEL where that is not known.
std::string model_argument(const Engine& engine);

// What a calibration file holds, for names of what was made with it: "" where `needs` look nothing
// up. Throws as Calibration::of does.
std::string looked_up_hash(const Engine& engine, const recipe::SignalNeeds& needs);

}  // namespace pith
