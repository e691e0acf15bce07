// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_TRACE_H_
#define VIRTUOS_TOOLS_VOS_TRACE_H_

#include "tools/common/result.h"
#include "tools/vos/options.h"

namespace vos {

// Prints the calls that the process makes of service domains, each when it is over, until the
// process ends, the time is over, nobody reads it any more, or SIGINT, SIGTERM or SIGHUP comes.
Result<void> Trace(const TraceCommand& command);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_TRACE_H_
