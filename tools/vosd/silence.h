// SPDX-License-Identifier: Apache-2.0
// How long a silent domain could have spoken: the hypervisor's view of its virtual processors.
#ifndef VIRTUOS_TOOLS_VOSD_SILENCE_H_
#define VIRTUOS_TOOLS_VOSD_SILENCE_H_

#include <chrono>
#include <cstdint>
#include <vector>

namespace vos {

// Silence of a domain while it had its processors: it hangs.
inline constexpr std::chrono::milliseconds kHangLimit{1000};

// One online virtual processor at some moment.
struct ProcessorSample {
  bool blocked;                   // it waits for an event, with none that it can take
  std::chrono::nanoseconds used;  // time it ran, ever
};

struct DomainSample {
  bool paused = false;  // by the toolstack: it can do nothing
  std::vector<ProcessorSample> processors;
};

// Counts the time that a domain ran, or idled although somebody had asked it to speak. Time in which
// it was ready to run and was not let does not count: that is no fault of its own.
class SilenceCount {
 public:
  using Clock = std::chrono::steady_clock;

  // Another sample of the same silence; the first one begins to count.
  void Add(const DomainSample& sample, Clock::time_point now);
  // It spoke.
  void Clear();

  // Of the processor that had the least: the one that should speak may be that.
  std::chrono::milliseconds counted() const;

 private:
  bool begun_ = false;
  Clock::time_point last_time_;
  DomainSample last_;
  std::vector<std::chrono::nanoseconds> counted_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_SILENCE_H_
