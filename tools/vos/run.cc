// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/run.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <vector>

#include "tools/vos/local_network.h"

namespace vos {
namespace {

constexpr char kVariable[] = "LD_PRELOAD";
// As a shell has it.
constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

int Complain(const std::string& message, int exit_status) {
  std::cerr << "vos: " << message << "\n";
  return exit_status;
}

}  // namespace

std::string PreloadList(std::string_view current, bool with_shim) {
  constexpr std::string_view kSeparators = ": ";
  std::string list(with_shim ? kShim : "");
  while (!current.empty()) {
    const std::size_t end = std::min(current.find_first_of(kSeparators), current.size());
    const std::string_view library = current.substr(0, end);
    current.remove_prefix(std::min(end + 1, current.size()));
    if (library.empty() || library == kShim) continue;
    if (!list.empty()) list += ':';
    list += library;
  }
  return list;
}

int Run(const RunCommand& run) {
  const bool with_shim = run.sockets == RunCommand::Sockets::kShim;
  if (with_shim && access(kShim, R_OK) < 0) {
    return Complain(std::string(kShim) + ": " + strerror(errno), 1);
  }
  if (run.sockets == RunCommand::Sockets::kLocal) {
    if (const auto entered = EnterLocalNetwork(); !entered) {
      return Complain(entered.error().message, 1);
    }
  }
  const char* current = getenv(kVariable);
  const std::string preload = PreloadList(current == nullptr ? "" : current, with_shim);
  if (preload.empty()) {
    unsetenv(kVariable);
  } else {
    setenv(kVariable, preload.c_str(), 1);
  }

  std::vector<char*> arguments;
  for (const std::string& word : run.command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  return Complain(run.command[0] + ": " + strerror(error),
                  error == ENOENT ? kNotFound : kNotExecutable);
}

}  // namespace vos
