// SPDX-License-Identifier: Apache-2.0
// What programs do while a domain fails: calls on sockets or files, one after the other, each timed,
// with data that can be checked.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_WORKLOAD_H_
#define VIRTUOS_TOOLS_VOS_FAULT_WORKLOAD_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// On the clock that counts since boot, which the kernel's failed_ns is on.
using SinceBootNs = std::int64_t;
SinceBootNs NowNs();

// A call that failed, or took so long that it may have waited for something.
struct NotedCall {
  std::string_view name;
  SinceBootNs start;
  SinceBootNs end;
  int error;  // 0: it succeeded
};

// A while in which one program got no answer.
struct Silence {
  SinceBootNs last;   // answer before
  SinceBootNs first;  // answer after
};

struct WorkloadReport {
  std::vector<NotedCall> calls;
  std::vector<Silence> silences;
  std::vector<std::string> wrong_data;
};

class FaultWorkload {
 public:
  // Of FaultWorkloads(): stream, datagram, or both as sockets; ledger, names, or both as files.
  static Result<std::unique_ptr<FaultWorkload>> Start(const std::string& name);
  virtual ~FaultWorkload() = default;

  // All its programs had an answer since then.
  virtual bool AnsweredSince(SinceBootNs time) const = 0;
  // Ends it and looks at what it left behind; once.
  virtual WorkloadReport Stop() = 0;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_WORKLOAD_H_
