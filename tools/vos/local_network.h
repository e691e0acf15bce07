// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_LOCAL_NETWORK_H_
#define VIRTUOS_TOOLS_VOS_LOCAL_NETWORK_H_

#include "tools/common/result.h"

namespace vos {

// Where `ip netns` keeps its namespaces too.
inline constexpr char kNamespaceDirectory[] = "/run/netns";
inline constexpr char kLocalNamespace[] = "/run/netns/local";

// Moves the process into the network namespace `local`, whose stack is the primary's own, with
// loopback only. Made when it is first needed; it lasts until the machine ends.
Result<void> EnterLocalNetwork();

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_LOCAL_NETWORK_H_
