// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_SUPERVISOR_CLIENT_H_
#define VIRTUOS_TOOLS_VOS_SUPERVISOR_CLIENT_H_

#include <optional>
#include <string>
#include <string_view>

#include "tools/common/result.h"
#include "tools/common/supervisor_state.h"

namespace vos {

bool SupervisorRuns();

// What vosd left; nothing if it never ran.
Result<std::optional<SupervisorState>> ReadSupervisorState();

// Sends a request to vosd and waits for its answer. vosd bounds each step it takes, so that the
// answer comes, at the latest when it gives up.
Result<void> AskSupervisor(const std::string& request);

// "ok", or "error REASON".
Result<void> ParseAnswer(std::string_view answer);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_SUPERVISOR_CLIENT_H_
