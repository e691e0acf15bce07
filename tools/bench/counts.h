// SPDX-License-Identifier: Apache-2.0
// What rounds of a benchmark inside the machine cost beside time: traps, interrupts, hypercalls.
#ifndef VIRTUOS_TOOLS_BENCH_COUNTS_H_
#define VIRTUOS_TOOLS_BENCH_COUNTS_H_

// The header is for C.
extern "C" {
#include <xenctrl.h>
}

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "libsyscall-shim/include/virtuos/shim.h"
#include "tools/bench/samples.h"

namespace vos::bench {

struct Reading {
  // Interrupts of this kernel, timers apart: under Xen, events from other domains and devices.
  std::uint64_t interrupts;
  std::uint64_t events;  // of `interrupts`: that something became ready in a service domain
  // Of all domains, those that return from a trap among them. Wraps around. None without Xen.
  std::optional<std::uint32_t> hypercalls;
};

class Counters {
 public:
  Counters();
  ~Counters();
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  Reading Read() const;
  // What the preloaded library tells; nothing without it.
  std::optional<struct vos_shim_counters> Shim() const;

 private:
  struct Close {
    void operator()(xc_interface* xen) const { xc_interface_close(xen); }
  };
  std::unique_ptr<xc_interface, Close> xen_;
  xc_hypercall_buffer_t descriptions_, values_;
  int counters_ = 0;  // of Xen
  void (*shim_)(struct vos_shim_counters*);
};

// Of the shim's data calls: its own system calls, and those it left to be ordinary ones.
std::uint64_t OwnCalls(const struct vos_shim_counters& shim);
std::uint64_t LeftCalls(const struct vos_shim_counters& shim);

// Prints "BENCH VARIANT each interrupts N" and the like: what `rounds` rounds cost, divided by their
// number.
void PrintCost(const char* bench, const char* variant, const Reading& before, const Reading& after,
               std::size_t rounds);

// Lanes park and processes sleep after a pause of this length or more, in ns.
inline constexpr double kLate = 100'000;
inline constexpr int kBatch = 20;

// Times `count` rounds, each by itself, after `warm_up` that do not count, and prints the times and
// what a round costs. With the shim also "BENCH VARIANT traps CALLS
// TRAPS EVENTS LATE_CALLS LATE_TRAPS": counted in small batches, because a processor of an emulated
// machine stands still now and then, and what waits for it then sleeps. The last two are of batches
// with such a pause.
template <typename Round>
void MeasureCounted(int warm_up, const char* bench, const char* variant, int count, Round round) {
  const Counters counters;
  const Clock clock;
  for (int i = 0; i < warm_up; i++) round();
  const auto shim_before = counters.Shim();
  const auto traps = [&] {
    const auto now = counters.Shim();
    return now ? OwnCalls(*now) + LeftCalls(*now) : 0;
  };
  std::vector<std::uint64_t> cycles;
  cycles.reserve(count);
  std::uint64_t calls = 0, calm_traps = 0, late_calls = 0, late_traps = 0;
  const Reading before = counters.Read();
  std::uint64_t end = Clock::Now();
  for (int done = 0; done < count;) {
    const int batch = std::min(kBatch, count - done);
    const std::uint64_t traps_before = traps();
    std::uint64_t longest = 0;
    for (int i = 0; i < batch; i++) {
      // Reading the counter twice a round is all that is done beside it.
      const std::uint64_t start = Clock::Now(), pause = start - end;
      round();
      end = Clock::Now();
      cycles.push_back(end - start);
      longest = std::max({longest, pause, end - start});
    }
    const bool late = clock.Nanoseconds(longest) > kLate;
    (late ? late_calls : calls) += batch;
    (late ? late_traps : calm_traps) += traps() - traps_before;
    done += batch;
  }
  const Reading after = counters.Read();
  const auto shim_after = counters.Shim();
  std::vector<double> samples;
  for (const std::uint64_t one : cycles) samples.push_back(clock.Nanoseconds(one));
  Print(bench, variant, std::move(samples));
  PrintCost(bench, variant, before, after, count);
  if (shim_after) {
    std::printf("%s %s each shim-calls %.3f\n", bench, variant,
                static_cast<double>(OwnCalls(*shim_after) - OwnCalls(*shim_before)) / count);
    std::printf("%s %s traps %lu %lu %lu %lu %lu\n", bench, variant, calls, calm_traps,
                after.events - before.events, late_calls, late_traps);
  }
  std::fflush(stdout);
}

}  // namespace vos::bench

#endif  // VIRTUOS_TOOLS_BENCH_COUNTS_H_
