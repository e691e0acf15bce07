// SPDX-License-Identifier: Apache-2.0
// The text of trace_pipe (tracefs): the calls that kernel/virtuos/primary/trace.h tells of.
#ifndef VIRTUOS_TOOLS_VOS_TRACE_LINE_H_
#define VIRTUOS_TOOLS_VOS_TRACE_LINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vos {

struct TracedCall {
  double seconds;  // since the boot, when it was over
  std::int32_t thread;
  std::string domain;     // network or storage
  std::string operation;  // as the ABI calls it, in lower case
  std::uint64_t object;   // its handle, 0 for none
  std::uint32_t bytes;    // of data, or of room for them
  std::int64_t result;    // or -errno
  std::uint64_t ns;
};

// Nothing for a line that tells of something else.
std::optional<TracedCall> ParseTracedCall(std::string_view line);
// How many events were lost, as a line of trace_pipe tells; nothing for another line.
std::optional<std::uint64_t> ParseLostEvents(std::string_view line);

// What stands above lines of TraceLine(). Both end with a line break.
std::string TraceHeading();
std::string TraceLine(const TracedCall& call);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_TRACE_LINE_H_
