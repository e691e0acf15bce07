// SPDX-License-Identifier: Apache-2.0
// What the primary kernel tells in debugfs; the format is described in
// kernel/virtuos/abi/control.h.
#ifndef VIRTUOS_TOOLS_COMMON_KERNEL_STATE_H_
#define VIRTUOS_TOOLS_COMMON_KERNEL_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// A service domain's newest connection.
struct Connection {
  std::string domain;  // "network", "storage"
  std::uint32_t domid = 0;
  std::uint32_t generation = 0;
  std::string state;  // "handshake", "connected", "failed"
  std::uint32_t pollers = 0;
  std::uint32_t lanes = 0;
  std::uint32_t objects = 0;
  std::uint32_t sessions = 0;
  std::uint32_t noop_ns = 0;    // time of a no-op, measured at the handshake
  std::uint64_t failed_ns = 0;  // when it failed, since boot; 0: it did not
  std::string reason;           // why it failed
};

struct KernelState {
  std::vector<Connection> connections;
  std::string attached;      // "init_net", "other", "none"
  std::uint64_t pages = 0;   // shared with domains
  std::uint64_t grants = 0;  // of them granted
};

struct Counter {
  std::string domain;
  std::string name;
  std::uint64_t value = 0;
};

// Unknown keys are passed over, so that a kernel may tell more.
Result<KernelState> ParseKernelState(std::string_view text);
Result<std::vector<Counter>> ParseKernelStats(std::string_view text);

Result<KernelState> ReadKernelState();
Result<std::vector<Counter>> ReadKernelStats();

// VOS_DOMAIN_* of "network" or "storage"; VOS_DOMAIN_NONE: neither.
std::uint32_t DomainKind(std::string_view name);
// "network" or "storage"; "unknown" for any other kind.
const char* DomainKindName(std::uint32_t kind);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_KERNEL_STATE_H_
