// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/command.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <format>

#include "tools/common/file_descriptor.h"

namespace vos::vm {
namespace {

// Exit status of timeout.
constexpr int kTimedOut = 124;

}  // namespace

std::expected<std::string, std::string> CommandOutput(const std::vector<std::string>& command,
                                                      std::chrono::seconds limit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::unexpected("pipe failed");
  FileDescriptor output(ends[0]), input(ends[1]);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  // coreutils' timeout also ends what the command has started.
  std::string timeout = "timeout";
  std::string seconds = std::to_string(limit.count());
  std::vector<char*> argv = {timeout.data(), seconds.data()};
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::unexpected(std::format("{}: {}", timeout, std::strerror(error)));
  input.Reset();

  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(output.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    text.append(buffer, static_cast<std::size_t>(size));
  }
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const bool late = WIFEXITED(status) && WEXITSTATUS(status) == kTimedOut;
    return std::unexpected(late ? std::format("{} took more than {}", command[0], limit)
                                : std::format("{} failed", command[0]));
  }
  while (text.ends_with('\n')) text.pop_back();
  const std::size_t line = text.rfind('\n');
  return line == text.npos ? text : text.substr(line + 1);
}

}  // namespace vos::vm
