// SPDX-License-Identifier: Apache-2.0
// A client and a poller on lanes in two threads, as in two domains: data goes by the lanes'
// ordering alone, lanes park, both sides sleep, and no wake-up is lost. Runs under ThreadSanitizer.
#include "kernel/virtuos/common/lane.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

// A wake-up is lost if a sleep lasts this long.
constexpr timespec kLost = {20, 0};

// Counts up; stands for an event channel.
class Bell {
 public:
  std::uint32_t Heard() { return count_.load(std::memory_order_acquire); }
  void Ring() {
    count_.fetch_add(1, std::memory_order_acq_rel);
    syscall(SYS_futex, &count_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
  }
  // Sleeps unless it was rung since `heard`. False: nobody rang.
  bool Sleep(std::uint32_t heard) {
    while (Heard() == heard)
      if (syscall(SYS_futex, &count_, FUTEX_WAIT, heard, &kLost, nullptr, 0) < 0 &&
          errno == ETIMEDOUT)
        return Heard() != heard;
    return true;
  }

 private:
  std::atomic<std::uint32_t> count_ = 0;
};

constexpr __u32 kDepth = VOS_USER_LANE_DEPTH;
constexpr unsigned kChunk = 256;

struct Shared {
  vos_user_lane_c c = {};
  vos_user_lane_s s = {};
  // Plain memory, deliberately: only the turns order it.
  unsigned char out[kDepth][kChunk] = {};
  unsigned char in[kDepth][kChunk] = {};
  Bell doorbell;  // client to poller, when parked
  Bell wake;      // poller to client, when armed
  std::atomic<bool> stop = false;
};

void Poll(Shared& shared, unsigned patience, unsigned seed, std::atomic<long>& parks) {
  vos_lane_position position;
  vos_lane_position_reset(&position);
  __u32 epoch = 0, arm_seen = 0;
  unsigned idle = 0;
  std::minstd_rand random(seed);
  for (;;) {
    vos_request request;
    if (vos_lane_fetch(&shared.c.request[position.entry], &position, &request)) {
      idle = 0;
      ASSERT_LE(request.len, kChunk);
      for (__u32 i = 0; i < request.len; i++)
        shared.in[position.entry][i] =
            static_cast<unsigned char>(shared.out[position.entry][i] + 1);
      vos_completion completion = {};
      completion.res = request.len;
      completion.pos = request.handle;
      vos_lane_complete(&shared.s.completion[position.entry], &completion, position.turn);
      vos_lane_advance(&position, kDepth);
      if (vos_lane_wants_wake(&shared.c.control, &arm_seen)) shared.wake.Ring();
      continue;
    }
    if (shared.stop) return;
    if (++idle < patience + random() % 3) continue;
    idle = 0;
    const std::uint32_t heard = shared.doorbell.Heard();
    if (!vos_lane_park(&shared.s.status, &epoch, &shared.c.request[position.entry], &position))
      continue;
    parks++;
    const bool rung = shared.doorbell.Sleep(heard);
    vos_lane_unpark(&shared.s.status, &epoch);
    ASSERT_TRUE(rung || shared.stop) << "a doorbell was lost";
  }
}

void Call(Shared& shared, int calls, unsigned patience, unsigned seed, long& sleeps) {
  vos_lane_position position;
  vos_lane_position_reset(&position);
  __u32 arm = 0;
  std::minstd_rand random(seed);
  for (int done = 0; done < calls;) {
    // A few outstanding at once, completed in order.
    const vos_lane_position first = position;
    const unsigned batch = 1 + random() % kDepth;
    for (unsigned i = 0; i < batch; i++) {
      vos_request request = {};
      request.len = 1 + random() % kChunk;
      request.handle = static_cast<__u64>(done + i) * 1000 + request.len;
      std::memset(shared.out[position.entry], static_cast<int>(done + i), request.len);
      vos_lane_publish(&shared.c.request[position.entry], &request, position.turn);
      vos_lane_advance(&position, kDepth);
    }
    if (vos_lane_needs_doorbell(&shared.s.status)) shared.doorbell.Ring();
    vos_lane_position at = first;
    for (unsigned i = 0; i < batch; i++) {
      const vos_completion* slot = &shared.s.completion[at.entry];
      unsigned spins = 0;
      while (!vos_lane_completed(slot, at.turn)) {
        if (++spins < patience) continue;
        spins = 0;
        const std::uint32_t heard = shared.wake.Heard();
        vos_lane_arm(&shared.c.control, ++arm);
        if (vos_lane_completed(slot, at.turn)) break;
        sleeps++;
        ASSERT_TRUE(shared.wake.Sleep(heard)) << "a wake was lost";
      }
      vos_completion copy;
      vos_lane_copy_completion(&copy, slot);
      ASSERT_EQ(copy.pos, static_cast<__u64>(done + i) * 1000 + copy.res);
      for (__s64 byte = 0; byte < copy.res; byte++)
        ASSERT_EQ(shared.in[at.entry][byte], static_cast<unsigned char>(done + i + 1));
      vos_lane_advance(&at, kDepth);
    }
    done += batch;
  }
}

// Patience of the two sides: who tires first decides which of the sleeping paths is taken.
struct Patience {
  unsigned poller, client;
  int calls;
};

class TwoSides : public testing::TestWithParam<Patience> {};

TEST_P(TwoSides, LoseNothing) {
  const Patience patience = GetParam();
  Shared shared;
  std::atomic<long> parks = 0;
  long sleeps = 0;
  std::thread poller([&] { Poll(shared, patience.poller, 1, parks); });
  Call(shared, patience.calls, patience.client, 2, sleeps);
  shared.stop = true;
  shared.doorbell.Ring();
  poller.join();
  std::printf("%ld parks, %ld sleeps\n", parks.load(), sleeps);
  if (patience.poller < 10) {
    EXPECT_GT(parks, 0);
  }
  if (patience.client < 10) {
    EXPECT_GT(sleeps, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Lanes, TwoSides,
                         testing::Values(Patience{1'000'000, 1'000'000, 3'000},
                                         Patience{1, 1'000'000, 10'000},
                                         Patience{1'000'000, 1, 10'000}, Patience{1, 1, 20'000},
                                         Patience{50, 50, 20'000}, Patience{3, 200, 10'000}));

// A client that scribbles over its pages with another thread while its lane is served: the poller
// reads every word once and atomically, so ThreadSanitizer has nothing to say, and it never leaves
// its bounds.
TEST(Hostile, ScribblingClient) {
  Shared shared;
  std::thread scribbler([&] {
    std::minstd_rand random(3);
    auto* words = reinterpret_cast<std::uint32_t*>(&shared.c);
    while (!shared.stop)
      vos_store(&words[random() % (sizeof(shared.c) / 4)],
                static_cast<std::uint32_t>(random() % 5));
  });
  vos_lane_position position;
  vos_lane_position_reset(&position);
  __u32 arm_seen = 0;
  long taken = 0;
  // Until enough was met, however the two threads are scheduled.
  for (long i = 0; taken < 1000 && i < 500'000'000; i++) {
    vos_request request;
    if (!vos_lane_fetch(&shared.c.request[position.entry], &position, &request)) continue;
    ASSERT_EQ(request.turn, position.turn);
    taken++;
    const vos_completion completion = {};
    vos_lane_complete(&shared.s.completion[position.entry], &completion, position.turn);
    // Turns stay small, so that the scribbler meets them.
    vos_lane_advance(&position, kDepth);
    if (position.turn > 4) position.turn = 1;
    vos_lane_wants_wake(&shared.c.control, &arm_seen);
    ASSERT_LT(position.entry, kDepth);
  }
  shared.stop = true;
  scribbler.join();
  EXPECT_EQ(taken, 1000);
}

TEST(Hostile, ScribblingService) {
  Shared shared;
  std::thread scribbler([&] {
    std::minstd_rand random(4);
    auto* words = reinterpret_cast<std::uint32_t*>(&shared.s);
    while (!shared.stop)
      vos_store(&words[random() % (sizeof(shared.s) / 4)],
                static_cast<std::uint32_t>(random() % 5));
  });
  vos_lane_position position;
  vos_lane_position_reset(&position);
  long taken = 0;
  for (long i = 0; taken < 1000 && i < 500'000'000; i++) {
    vos_request request = {};
    vos_lane_publish(&shared.c.request[position.entry], &request, position.turn);
    vos_lane_needs_doorbell(&shared.s.status);
    if (vos_lane_completed(&shared.s.completion[position.entry], position.turn)) {
      vos_completion copy;
      vos_lane_copy_completion(&copy, &shared.s.completion[position.entry]);
      taken++;
    }
    vos_lane_advance(&position, kDepth);
    if (position.turn > 4) position.turn = 1;
  }
  shared.stop = true;
  scribbler.join();
  EXPECT_EQ(taken, 1000);
}

}  // namespace
