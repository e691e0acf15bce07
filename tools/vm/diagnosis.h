// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_DIAGNOSIS_H_
#define VIRTUOS_TOOLS_VM_DIAGNOSIS_H_

#include <filesystem>
#include <string>
#include <string_view>

namespace vos::vm {

// Which logs tell why something failed.
enum class LogsOf { kMachine, kDomains };

bool HasText(const std::filesystem::path& log);

// The log's last lines, headed by its name; empty if there are none.
std::string LastLines(const std::filesystem::path& log);

// `what` with the cause the logs in the directory `run` name, if one is known, and their last
// lines.
std::string DescribeFailure(const std::filesystem::path& run, std::string_view what, LogsOf logs);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_DIAGNOSIS_H_
