// SPDX-License-Identifier: Apache-2.0
// Natively on the host, without emulation: what the rings' own code costs beside what it cannot do
// without. Two pinned threads pass
//   floor-host  a cache line there and one back, one word written in each
//   ring-host   a no-op through a lane of kernel/virtuos/common/lane.h, published, taken, completed
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "kernel/virtuos/common/lane.h"
#include "tools/bench/samples.h"

namespace vos::bench {
namespace {

// A sample is the mean of a batch: reading the counter costs as much as a round.
constexpr int kBatches = 2'000, kRounds = 500, kWarmUp = 100;
// On a busy machine the two threads are rarely there at once: then fewer batches must do.
constexpr std::uint64_t kMaxNanoseconds = 15'000'000'000;

// What this process was given, before any of its threads is pinned.
const cpu_set_t& Allowed() {
  static const cpu_set_t allowed = [] {
    cpu_set_t set;
    sched_getaffinity(0, sizeof(set), &set);
    return set;
  }();
  return allowed;
}

void Pin(unsigned nth) {
  cpu_set_t mine;
  CPU_ZERO(&mine);
  unsigned seen = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &Allowed()) && seen++ == nth) CPU_SET(cpu, &mine);
  pthread_setaffinity_np(pthread_self(), sizeof(mine), &mine);
}

struct alignas(4096) Floor {
  alignas(64) std::uint32_t there = 0;
  alignas(64) std::uint32_t back = 0;
  alignas(64) std::atomic<bool> stop = false;
};

struct alignas(4096) Ring {
  vos_user_lane_c c = {};
  alignas(4096) vos_user_lane_s s = {};
  alignas(4096) std::atomic<bool> stop = false;
};

template <typename Round>
void Measure(const char* name, Round round) {
  const Clock clock;
  std::vector<double> samples;
  const std::uint64_t end = Time() + kMaxNanoseconds;
  for (int batch = 0; batch < kBatches + kWarmUp; batch++) {
    if (Time() > end && !samples.empty()) break;
    const std::uint64_t start = Clock::Now();
    for (int i = 0; i < kRounds; i++) round();
    const double took = clock.Since(start) / kRounds;
    if (batch >= kWarmUp) samples.push_back(took);
  }
  Print(name, "native", std::move(samples));
}

void MeasureFloor() {
  Floor floor;
  std::thread poller([&] {
    Pin(1);
    for (std::uint32_t next = 1; !floor.stop.load(std::memory_order_relaxed);) {
      if (vos_load_acquire(&floor.there) != next) continue;
      vos_store_release(&floor.back, next++);
    }
  });
  std::uint32_t next = 0;
  Measure("floor-host", [&] {
    vos_store_release(&floor.there, ++next);
    while (vos_load_acquire(&floor.back) != next) continue;
  });
  floor.stop = true;
  poller.join();
}

void MeasureRing() {
  Ring ring;
  std::thread poller([&] {
    Pin(1);
    vos_lane_position position;
    vos_lane_position_reset(&position);
    std::uint32_t arm_seen = 0, wakes = 0;
    while (!ring.stop.load(std::memory_order_relaxed)) {
      vos_request request;
      if (!vos_lane_fetch(&ring.c.request[position.entry], &position, &request)) continue;
      vos_completion completion = {};
      completion.res = request.op == VOS_OP_NOP ? 0 : -22;
      vos_lane_complete(&ring.s.completion[position.entry], &completion, position.turn);
      vos_lane_advance(&position, VOS_USER_LANE_DEPTH);
      wakes += vos_lane_wants_wake(&ring.c.control, &arm_seen);
    }
  });
  vos_lane_position position;
  vos_lane_position_reset(&position);
  std::uint32_t doorbells = 0;
  Measure("ring-host", [&] {
    vos_request request = {};
    request.op = VOS_OP_NOP;
    vos_lane_publish(&ring.c.request[position.entry], &request, position.turn);
    doorbells += vos_lane_needs_doorbell(&ring.s.status);
    const vos_completion* slot = &ring.s.completion[position.entry];
    while (!vos_lane_completed(slot, position.turn)) continue;
    vos_completion copy;
    vos_lane_copy_completion(&copy, slot);
    doorbells += copy.res != 0;
    vos_lane_advance(&position, VOS_USER_LANE_DEPTH);
  });
  ring.stop = true;
  poller.join();
  if (doorbells != 0) std::fprintf(stderr, "ring-host: the lane does not work\n");
}

}  // namespace
}  // namespace vos::bench

int main() {
  if (CPU_COUNT(&vos::bench::Allowed()) < 2) {
    std::fprintf(stderr, "needs two processors\n");
    return 1;
  }
  vos::bench::Pin(0);
  vos::bench::MeasureFloor();
  vos::bench::MeasureRing();
  return 0;
}
