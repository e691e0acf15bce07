// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_COMMAND_H_
#define VIRTUOS_TOOLS_VM_COMMAND_H_

#include <chrono>
#include <expected>
#include <string>
#include <vector>

namespace vos::vm {

// Runs a command of the host to its end and returns the last line of its standard output. Its
// standard error is the caller's. The error says which command failed, or took too long.
std::expected<std::string, std::string> CommandOutput(const std::vector<std::string>& command,
                                                      std::chrono::seconds limit);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_COMMAND_H_
