// SPDX-License-Identifier: Apache-2.0
// What `vos status` and `vos stats` print. JSON, one document:
//   status  {"supervisor": {"running": bool, "pid": number, "reason"},
//            "attached": "init_net"|"other"|"none"|"unknown",
//            "domains": [{"name", "kind", "domid", "state", "generation", "pollers", "lanes",
//                         "objects", "sessions", "noop_ns", "restarts", "nic", "disk",
//                         "disk_state", "disk_detail", "reason", "ended_at_ms", "core", "standby",
//                         "uptime_seconds"}]}
//           supervisor's reason: why it ended, if it said so.
//           domid 0: there is no domain; uptime_seconds null: it is not connected.
//           state: connected, or else the phase of vosd (tools/vosd/life_cycle.h), or what the
//           kernel says.
//           reason: why the last one ended, or nothing serves; ended_at_ms: when that was, since
//           boot, null if it is not known. core: file with the memory of a dead one, or empty.
//           nic, disk: PCI addresses, empty without.
//           standby: null if it is to have none, else {"state", "domid", "reason"}: parked, or what
//           vosd is doing to have one; domid 0: there is none now; why the last one ended.
//           disk_state: of a storage domain (tools/vosd/disk_report.h), empty while it is not
//           known; disk_detail: what is to be said about it.
//   stats   {"DOMAIN": {"COUNTER": number}}
#ifndef VIRTUOS_TOOLS_VOS_STATUS_H_
#define VIRTUOS_TOOLS_VOS_STATUS_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/kernel_state.h"
#include "tools/common/supervisor_state.h"

namespace vos {

struct DomainStatus {
  std::string name;
  std::string state;
  Connection connection;  // what the kernel tells, or zeroes
  std::uint32_t restarts = 0;
  std::string nic;
  std::string disk;
  std::string disk_state;
  std::string disk_detail;
  std::string reason;
  std::optional<std::chrono::milliseconds> ended_at;  // since boot
  std::optional<std::chrono::seconds> ended_since;    // how long ago
  std::string core;
  std::string standby_state;  // empty: it is to have none
  std::uint32_t standby_domid = 0;
  std::string standby_reason;
  std::optional<std::chrono::seconds> uptime;
};

struct Status {
  bool supervised = false;  // vosd runs
  pid_t supervisor = 0;
  std::string supervisor_reason;  // why it ended by itself; empty: it runs, or did not say
  std::string attached;
  std::vector<DomainStatus> domains;
};

// Puts together what vosd left and what the kernel tells; either may be missing. `now` is
// SinceBoot().
Status MakeStatus(const std::optional<SupervisorState>& supervisor, bool running,
                  const std::optional<KernelState>& kernel, std::chrono::milliseconds now);

std::string StatusTable(const Status& status);
std::string StatusJson(const Status& status);
std::string StatsTable(const std::vector<Counter>& counters);
std::string StatsJson(const std::vector<Counter>& counters);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_STATUS_H_
