// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_KILL_H_
#define VIRTUOS_TOOLS_VOS_KILL_H_

#include <cstdint>

#include "tools/common/result.h"
#include "tools/vos/options.h"

namespace vos {

// Ends the domain, or orders the fault; does not wait for what comes of it.
Result<void> Kill(std::uint32_t domid, const KillCommand& command);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_KILL_H_
