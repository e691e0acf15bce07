// SPDX-License-Identifier: Apache-2.0
// What vosd leaves in /run/virtuos for others, and the protocol of its control socket.
//
// Control socket: SOCK_SEQPACKET, root only. A request is one packet, "restart DOMAIN" or
// "prepare DOMAIN"; the answer, one packet, comes when it is done: "ok" or "error REASON".
#ifndef VIRTUOS_TOOLS_COMMON_SUPERVISOR_STATE_H_
#define VIRTUOS_TOOLS_COMMON_SUPERVISOR_STATE_H_

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

inline constexpr char kRunDirectory[] = "/run/virtuos";
inline constexpr char kLockFile[] = "/run/virtuos/vosd.pid";  // locked while vosd runs
inline constexpr char kLogFile[] = "/run/virtuos/vosd.log";
inline constexpr char kSocket[] = "/run/virtuos/vosd.sock";
inline constexpr char kStateFile[] = "/run/virtuos/state.json";
// One of the two appears once the start is over: all domains are connected, or one line why they
// are not. The first holds a line "DOMAIN STATE" for each storage domain, the state of its disk, and
// is written anew when that changes.
inline constexpr char kReadyFile[] = "/run/virtuos/ready";
inline constexpr char kFailedFile[] = "/run/virtuos/failed";

inline constexpr std::size_t kMaxControlPacket = 512;

// State of a standby that has booted and waits.
inline constexpr char kParked[] = "parked";

struct SupervisedDomain {
  std::string name;
  std::string kind;         // "network", "storage"
  std::string phase;        // of LifeCycle: "connected", "failed", ...
  std::uint32_t domid = 0;  // 0: there is no domain now
  std::uint32_t restarts = 0;
  std::string nic;          // PCI address of its network device, or empty
  std::string disk;         // PCI address of its disk, or empty
  std::string disk_state;   // of a storage domain (tools/vosd/disk_report.h); empty: not known now
  std::string disk_detail;  // what is to be said about it
  std::string reason;  // why the last incarnation ended, or nothing serves now; empty: none did
  // When that was, on the clock that counts since boot.
  std::optional<std::chrono::milliseconds> ended_at;
  std::string core;                 // the last file that has the memory of a dead one; empty: none
  std::string standby_state;        // kParked, or a phase of LifeCycle; empty: it is to have none
  std::uint32_t standby_domid = 0;  // 0: there is none now
  std::string standby_reason;       // why the last one ended; empty: none did
  // When it connected, on the clock that counts since boot; only in phase "connected".
  std::optional<std::chrono::milliseconds> connected_at;
};

struct SupervisorState {
  pid_t pid = 0;
  std::vector<SupervisedDomain> domains;
};

std::string FormatSupervisorState(const SupervisorState& state);
Result<SupervisorState> ParseSupervisorState(std::string_view text);

// Time since boot, suspension included.
std::chrono::milliseconds SinceBoot();

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_SUPERVISOR_STATE_H_
