// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_PING_H_
#define VIRTUOS_TOOLS_VOS_PING_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/common/result.h"
#include "tools/vos/options.h"

namespace vos {

// One line: how many, and the times from submission to completion, in ns. Must not be empty.
std::string PingSummary(const std::string& domain, std::vector<std::uint64_t> times);

// Returns what to print.
Result<std::string> Ping(const PingCommand& ping);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_PING_H_
