// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S
//
// Threads of one process, a lane each, against the service half of common/lane.h: publishing,
// parking, doorbells and sleeping, taking lanes and taking them back.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "libsyscall-shim/file_transfer.h"
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

// Every thread has a page of the file to itself, and overwrites it.
void Overwrite(int file, int page, int rounds, unsigned pause_us) {
  std::vector<char> out(4096);
  std::vector<char> in(4096);
  for (int i = 0; i < rounds; ++i) {
    const std::size_t bytes = i % 2 == 0 ? 20 : 4096;
    const off_t at = page * off_t{4096} + i % 2;
    std::fill_n(out.begin(), bytes, static_cast<char>(i));
    ASSERT_EQ(Pwrite(file, out.data(), bytes, at), static_cast<ssize_t>(bytes));
    ASSERT_EQ(Pread(file, in.data(), bytes, at), static_cast<ssize_t>(bytes));
    ASSERT_TRUE(
        std::equal(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(bytes), out.begin()));
    if (i % 16 == 0) {
      ASSERT_EQ(Fdatasync(file), 0);
    }
    if (pause_us != 0) usleep(pause_us);
  }
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

// Lanes of two sessions in every thread.
TEST_P(ShimLanes, ThreadsUseSocketsAndFiles) {
  SimulatedSession session;
  SimulatedSession files(Domain::kStorage);
  session.header().spin_cycles = GetParam();
  files.header().spin_cycles = GetParam();
  session.Earn();
  files.Earn();
  const int file = memfd_create("file", 0);
  ASSERT_GE(file, 0);
  files.Redirect(file, VOS_KIND_FILE);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 4; ++round) {
        Exchange(session, kRounds / 8, static_cast<unsigned>(i) % 3 * 20);
        Overwrite(file, 2 * i, kRounds / 8, static_cast<unsigned>(i) % 3 * 20);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto counters = session.counters();
  EXPECT_GT(counters.file_fast, 0u);
  EXPECT_GT(counters.fast, counters.file_fast);
  EXPECT_EQ(counters.fast + counters.trap_no_lane,
            4u * kThreads * (2 * (kRounds / 8) + 2 * (kRounds / 8) + (kRounds / 8 + 15) / 16));
  close(file);
}

// Threads begin without a session and ask for both at once.
TEST_P(ShimLanes, ThreadsEarnTheirSessions) {
  SimulatedSession session;
  SimulatedSession files(Domain::kStorage);
  session.header().spin_cycles = GetParam();
  files.header().spin_cycles = GetParam();
  const int file = memfd_create("file", 0);
  ASSERT_GE(file, 0);
  files.Redirect(file, VOS_KIND_FILE);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 8; ++round) {
        Exchange(session, 20, 0);
        Overwrite(file, 2 * i, 20, 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(session.enters, 1);
  EXPECT_EQ(files.enters, 1);
  EXPECT_GT(session.counters().file_fast, 0u);
  close(file);
}

INSTANTIATE_TEST_SUITE_P(SpinAndSleep, ShimLanes, testing::Values(0u, 100'000u));

}  // namespace
}  // namespace vos::shim
