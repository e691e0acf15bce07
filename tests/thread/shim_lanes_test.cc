// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S
//
// Threads of one process, a lane each, against the service half of common/lane.h: publishing,
// parking, doorbells and sleeping, taking lanes and taking them back.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "libsyscall-shim/transfer.h"
#include "tests/unit/simulated_session.h"

namespace vos::shim {
namespace {

constexpr int kThreads = 9;  // more than an extent has lanes
constexpr int kRounds = 200;

void Exchange(SimulatedSession& session, int rounds, unsigned pause_us) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  session.Redirect(pair[0], VOS_KIND_STREAM);
  std::vector<char> out(300);
  std::vector<char> in(300);
  for (int i = 0; i < rounds; ++i) {
    const std::size_t bytes = i % 2 == 0 ? 20 : 300;
    std::fill_n(out.begin(), bytes, static_cast<char>(i));
    ASSERT_EQ(Write(pair[0], out.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(read(pair[1], in.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(write(pair[1], in.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(Read(pair[0], in.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_TRUE(
        std::equal(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(bytes), out.begin()));
    if (pause_us != 0) usleep(pause_us);
  }
  session.Forget(pair[0]);
  close(pair[0]);
  close(pair[1]);
}

class ShimLanes : public testing::TestWithParam<std::uint32_t> {};

TEST_P(ShimLanes, ThreadsExchangeAtOnce) {
  SimulatedSession session;
  session.header().spin_cycles = GetParam();
  session.Earn();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    // Some pause so long that their lanes are parked.
    threads.emplace_back([&session, i] { Exchange(session, kRounds, i % 3 * 20); });
  }
  for (std::thread& thread : threads) thread.join();
  const auto counters = session.counters();
  EXPECT_EQ(counters.fast + counters.trap_no_lane, 2u * kThreads * kRounds);
  EXPECT_GT(counters.doorbells, 0u);
}

TEST_P(ShimLanes, ThreadsComeAndGo) {
  SimulatedSession session;
  session.header().spin_cycles = GetParam();
  session.max_extents = 1;
  session.Earn();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&session] {
      for (int j = 0; j < 40; ++j) std::thread([&session] { Exchange(session, 3, 0); }).join();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(session.counters().lanes_reclaimed, 0u);
}

INSTANTIATE_TEST_SUITE_P(SpinAndSleep, ShimLanes, testing::Values(0u, 100'000u));

}  // namespace
}  // namespace vos::shim
