// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_KILL_WAYS_H_
#define VIRTUOS_TOOLS_VOS_KILL_WAYS_H_

#include <string>
#include <vector>

namespace vos {

// How a service domain can be killed. All but `destroy` are faults of its kernel, by the names it has
// for them (kernel/virtuos/service/fault.c); `ring-garbage` is called otherwise there.
inline const std::vector<std::string>& KillWays() {
  static const std::vector<std::string> ways = {"destroy", "panic",          "oops",
                                                "hang",    "irqs-off",       "poller-stall",
                                                "oom",     "corrupt-memory", "ring-garbage"};
  return ways;
}

inline std::string KillWaysText() {
  std::string text;
  for (const std::string& way : KillWays()) text += (text.empty() ? "" : ", ") + way;
  return text;
}

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_KILL_WAYS_H_
