// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_OPTIONS_H_
#define VIRTUOS_TOOLS_VOS_OPTIONS_H_

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/vos/fault_run.h"

namespace vos {

struct StatusCommand {
  bool json = false;
};
struct StatsCommand {
  bool json = false;
};
struct PingCommand {
  std::uint32_t kind;  // VOS_DOMAIN_*
  std::uint32_t count;
};
struct RunCommand {
  enum class Sockets {
    kShim,   // through the shim
    kTrap,   // by system calls
    kLocal,  // on the primary's own stack
  };
  Sockets sockets;
  std::vector<std::string> command;
};
struct NetworkCommand {
  bool attach;
};
struct KillCommand {
  std::string domain;
  std::string how;    // one of FaultKindNames()
  std::string point;  // one of FaultPointNames(); empty: at once
  std::uint32_t nth;
  std::string request_class;
};
struct FaultsListCommand {
  std::string domain;  // empty: all
};
struct FaultsReportCommand {
  std::vector<std::string> directories;
  std::string output;
};
struct RestartCommand {
  std::string domain;
};
struct PrepareCommand {
  std::string domain;
};
struct TraceCommand {
  pid_t process;
  std::optional<std::chrono::seconds> limit;
};

using Command = std::variant<StatusCommand, StatsCommand, PingCommand, RunCommand, NetworkCommand,
                             KillCommand, FaultsListCommand, CampaignRun, FaultsReportCommand,
                             RestartCommand, PrepareCommand, TraceCommand>;

// What to print instead of running a command: help, the version, or what is wrong.
struct Message {
  std::string text;
  int exit_status;  // 0: to standard output; 2: a usage error
};

// `arguments` without the program's name.
std::expected<Command, Message> ParseOptions(const std::vector<std::string>& arguments);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_OPTIONS_H_
