// Runs tests/support/http_server.py for the life of an object. It is not for serving anything but
// tests.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace pith::test {

class LocalServer {
 public:
  // Requests are logged to `log`, one line each: path and range.
  LocalServer(const std::filesystem::path& folder, const std::filesystem::path& log) {
    int out[2], in[2];
    if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(in, O_CLOEXEC) != 0)
      throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    std::string words[] = {"python3", PITH_SOURCE_DIR "/tests/support/http_server.py",
                           folder.string(), log.string()};
    char* argv[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
    const int error = ::posix_spawnp(&pid_, "python3", &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];  // the server ends when this closes, however this process ends
    std::string line;
    for (char c; error == 0 && ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(out[0]);
    if (line.empty()) throw std::runtime_error("the test server did not start");
    base_ = "http://127.0.0.1:" + line;
  }
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;
  ~LocalServer() {
    ::close(input_);
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string url(const std::string& path) const { return base_ + path; }

 private:
  pid_t pid_ = -1;
  int input_ = -1;
  std::string base_;
};

}  // namespace pith::test
