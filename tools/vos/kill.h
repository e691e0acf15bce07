// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_KILL_H_
#define VIRTUOS_TOOLS_VOS_KILL_H_

#include <cstdint>
#include <string>

#include "tools/common/result.h"
#include "tools/vos/options.h"

namespace vos {

// Ends the domain, or orders the fault, now or at a point of the protocol; waits for what comes of it
// only if nobody else would tell. The answer is what there is to say.
Result<std::string> Kill(std::uint32_t domid, const KillCommand& command);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_KILL_H_
