// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
// (The check for null reads the flags of an addition that the linker makes a lea: addresses of
// thread-local variables.)
//
// Sessions and lanes of the shim: when they come, who has them, handlers, fork, and the end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <string>
#include <thread>
#include <vector>

#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/noticed_calls.h"
#include "libsyscall-shim/transfer.h"
#include "tests/unit/simulated_session.h"

namespace vos::shim {
namespace {

class ShimLane : public testing::Test {
 public:
  ShimLane() {
    current_ = this;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair_) != 0) std::abort();
    session_.Redirect(pair_[0], VOS_KIND_STREAM);
  }
  ~ShimLane() override {
    close(pair_[0]);
    close(pair_[1]);
    current_ = nullptr;
  }

  int ours() const { return pair_[0]; }
  int theirs() const { return pair_[1]; }

  // A byte out and one back, both over the lane.
  void Echo() {
    char byte = 0;
    ASSERT_EQ(Write(ours(), "a", 1), 1);
    ASSERT_EQ(read(theirs(), &byte, 1), 1);
    ASSERT_EQ(byte, 'a');
    ASSERT_EQ(write(theirs(), "b", 1), 1);
    ASSERT_EQ(Read(ours(), &byte, 1), 1);
    ASSERT_EQ(byte, 'b');
  }

  template <typename Body>
  static int InChild(Body body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  static inline ShimLane* current_ = nullptr;
  SimulatedSession session_;
  int pair_[2];
};

TEST_F(ShimLane, ASessionIsEarned) {
  for (std::uint32_t i = 1; i < kTrapsBeforeSession; ++i) {
    EXPECT_EQ(Write(ours(), "x", 1), 1);
    EXPECT_EQ(session_.enters, 0);
  }
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.enters, 1);
  EXPECT_EQ(session_.traps, static_cast<int>(kTrapsBeforeSession));
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.traps, static_cast<int>(kTrapsBeforeSession));
  EXPECT_EQ(session_.counters().sessions, 1u);
  EXPECT_EQ(session_.counters().lanes, 1u);
}

TEST_F(ShimLane, OtherDescriptorsEarnNone) {
  session_.socket_domain = -ENOTSOCK;
  for (int i = 0; i < 5000; ++i) NoteCallWithoutSession(Domain::kNetwork, 0);
  EXPECT_EQ(session_.enters, 0);
  EXPECT_EQ(ThreadLaneOf(Domain::kNetwork).sample_interval, kMaxCallsPerSample);
  session_.socket_domain = AF_INET6;
  for (int i = 0; i < kMaxCallsPerSample + 2 * kCallsPerSample; ++i)
    NoteCallWithoutSession(Domain::kNetwork, 0);
  EXPECT_EQ(session_.enters, 1);
}

TEST_F(ShimLane, ARefusalForGoodIsRemembered) {
  session_.enter_error = -EINVAL;
  for (int i = 0; i < 5000; ++i) NoteCallWithoutSession(Domain::kNetwork, 0);
  EXPECT_EQ(session_.enters, 1);
  EXPECT_EQ(session_.counters().session_refusals, 1u);
}

TEST_F(ShimLane, ARefusalForNowIsTriedAgainLater) {
  session_.enter_error = -ENOMEM;
  for (std::uint32_t i = 0; i < kTrapsBeforeSession + kTrapsBeforeRetry; ++i) {
    NoteCallWithoutSession(Domain::kNetwork, 0);
  }
  EXPECT_EQ(session_.enters, 2);
  for (int i = 0; i < 10'000'000; ++i) NoteCallWithoutSession(Domain::kNetwork, 0);
  EXPECT_EQ(session_.enters, static_cast<int>(kMaxEnterFailures));
}

TEST_F(ShimLane, AConfinedProgramAsksForNothing) {
  session_.Forget(ours());
  for (const std::uint32_t why : {kNoNewPrivileges, kConfined, kConfining}) {
    confinement = why;
    for (int i = 0; i < 500; ++i) Echo();
  }
  EXPECT_EQ(session_.enters, 0);
  // What it was not in the end.
  confinement = 0;
  for (std::uint32_t i = 0; i < kTrapsBeforeSession; ++i) Echo();
  EXPECT_EQ(session_.enters, 1);
}

TEST_F(ShimLane, AConfinedProgramUsesItsSessionNoMore) {
  session_.Earn();
  Echo();
  EXPECT_EQ(session_.traps, 0);
  confinement = kNoNewPrivileges;
  Echo();
  EXPECT_EQ(session_.traps, 2);
}

TEST_F(ShimLane, ADeadSessionIsReplacedAFewTimes) {
  for (std::uint32_t i = 0; i < kMaxSessions; ++i) {
    const std::uint32_t traps = i == 0 ? kTrapsBeforeSession : kTrapsBeforeRetry;
    for (std::uint32_t call = 0; call < traps; ++call) {
      EXPECT_EQ(session_.enters, static_cast<int>(i));
      NoteCallWithoutSession(Domain::kNetwork, 0);
    }
    EXPECT_EQ(session_.enters, static_cast<int>(i) + 1);
    session_.header().dead = 1;
  }
  for (int i = 0; i < 100'000; ++i) NoteCallWithoutSession(Domain::kNetwork, 0);
  EXPECT_EQ(session_.enters, static_cast<int>(kMaxSessions));
}

TEST_F(ShimLane, AColdSessionIsKickedAndAParkedLaneRung) {
  session_.Earn();
  Echo();
  EXPECT_EQ(session_.kicks, 1);
  for (int i = 0; i < 100; ++i) {
    Echo();
    usleep(static_cast<useconds_t>(i) * 50);
  }
  EXPECT_EQ(session_.traps, 0);
  const auto counters = session_.counters();
  EXPECT_EQ(counters.fast, 202u);
  EXPECT_GE(counters.doorbells, counters.kicks);
  EXPECT_EQ(counters.kicks, static_cast<std::uint64_t>(session_.kicks.load()));
}

TEST_F(ShimLane, WaitsWithoutSpinning) {
  session_.Earn();
  session_.header().spin_cycles = 0;
  for (int i = 0; i < 200; ++i) Echo();
  EXPECT_GT(session_.waits, 0);
  EXPECT_EQ(session_.counters().waits, static_cast<std::uint64_t>(session_.waits.load()));
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimLane, AHandlerThatInterruptsACallTraps) {
  session_.Earn();
  Echo();
  session_.InterruptNextWait([](int) {
    char byte = 0;
    EXPECT_EQ(Write(current_->theirs(), "h", 1), 1);
    EXPECT_EQ(Send(current_->ours(), "i", 1, 0), 1);
    EXPECT_EQ(Recv(current_->ours(), &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'h');
  });
  EXPECT_EQ(Write(current_->ours(), "o", 1), 1);
  EXPECT_EQ(session_.counters().trap_busy, 2u);
  char got[2];
  EXPECT_EQ(recv(theirs(), got, 2, MSG_WAITALL), 2);
  EXPECT_EQ(std::string(got, 2), "io");
  for (int i = 0; i < 20; ++i) Echo();
  EXPECT_EQ(session_.counters().trap_busy, 2u);
  EXPECT_EQ(session_.counters().lanes, 1u);
}

TEST_F(ShimLane, AHandlerThatRunsForLongGetsALaneOfItsOwn) {
  session_.Earn();
  Echo();
  session_.InterruptNextWait([](int) {
    current_->session_.Resume();
    char byte = 0;
    EXPECT_EQ(read(current_->theirs(), &byte, 1), 1);
    EXPECT_EQ(byte, 'o');
    for (int i = 0; i < 100; ++i) current_->Echo();
  });
  EXPECT_EQ(Write(ours(), "o", 1), 1);
  EXPECT_EQ(session_.counters().trap_busy, kBusyTrapsBeforeAnotherLane);
  EXPECT_EQ(session_.counters().lanes, 2u);
  // The interrupted call's lane is free again.
  EXPECT_EQ(session_.session().free_lanes.load(), 0b1111101u);
  for (int i = 0; i < 20; ++i) Echo();
}

sigjmp_buf escape;

TEST_F(ShimLane, ALaneIsUsedAgainAfterAHandlerJumpedOut) {
  session_.Earn();
  Echo();
  for (int round = 0; round < 30; ++round) {
    session_.InterruptNextWait([](int) { siglongjmp(escape, 1); });
    if (sigsetjmp(escape, 1) == 0) {
      Write(ours(), "o", 1);
      FAIL() << "was not interrupted";
    }
    session_.on_wait = nullptr;
    // The lost request is still on its way: the kernel does this one.
    EXPECT_EQ(Write(ours(), "p", 1), 1);
    EXPECT_EQ(session_.traps, round + 1);
    session_.Resume();
    char got[2];
    EXPECT_EQ(recv(theirs(), got, 2, MSG_WAITALL), 2);
    session_.Stall();
    session_.Resume();
    // From as deep as the lost call was made.
    EXPECT_EQ(Write(ours(), "q", 1), 1);
    EXPECT_EQ(read(theirs(), got, 1), 1);
    Echo();
    EXPECT_EQ(session_.traps, round + 1);
  }
  EXPECT_EQ(session_.counters().lanes, 1u);
  EXPECT_EQ(session_.counters().lanes_reclaimed, 30u);
}

// noipa: its frame is below the caller's.
[[gnu::noipa]] ssize_t WriteFromDeeper(int fd) {
  volatile char room[2048];
  room[0] = 'q';
  const ssize_t result = Write(fd, "q", 1);
  room[1] = room[0];
  return result;
}

TEST_F(ShimLane, CallsFromDeeperAfterAJumpGetAnotherLaneInTheEnd) {
  session_.Earn();
  Echo();
  session_.InterruptNextWait([](int) { siglongjmp(escape, 1); });
  if (sigsetjmp(escape, 1) == 0) Write(ours(), "o", 1);
  session_.on_wait = nullptr;
  session_.Resume();
  for (std::uint32_t i = 0; i < 2 * kBusyTrapsBeforeAnotherLane; ++i) {
    EXPECT_EQ(WriteFromDeeper(ours()), 1);
  }
  EXPECT_EQ(session_.traps, static_cast<int>(kBusyTrapsBeforeAnotherLane));
  EXPECT_EQ(session_.counters().lanes, 2u);
  // The first one is found when lanes run out.
  char drain[1000];
  EXPECT_EQ(recv(theirs(), drain, sizeof(drain), MSG_WAITALL | MSG_DONTWAIT),
            2 * kBusyTrapsBeforeAnotherLane + 1);
  session_.session().free_lanes.store(0);
  session_.ForgetLane();
  Echo();
  EXPECT_EQ(session_.extents, 1);
  EXPECT_GE(session_.counters().lanes_reclaimed, 1u);
}

// A handler above the frame that it interrupts, on a stack that says nothing of it.
TEST_F(ShimLane, AHandlerOnADisarmedStackTraps) {
  session_.Earn();
  session_.header().spin_cycles = 0;
  const std::string first(100, 'a'), second(100, 'b');
  ASSERT_EQ(send(theirs(), first.data(), 100, 0), 100);
  ASSERT_EQ(send(theirs(), second.data(), 100, 0), 100);
  static char in_handler[100];
  struct sigaction action{};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) { Read(current_->ours(), in_handler, sizeof(in_handler)); };
  sigaction(SIGUSR1, &action, nullptr);
  session_.Stall();
  session_.on_wait = [this] {
    session_.on_wait = nullptr;
    session_.Resume();
    const ThreadLane& thread = ThreadLaneOf(Domain::kNetwork);
    const std::uint64_t position = thread.lane->position;
    const auto entry = static_cast<std::uint32_t>(position);
    while (!vos_lane_completed(&thread.s->completion[entry],
                               static_cast<std::uint32_t>(position >> 32))) {
      usleep(20);
    }
    raise(SIGUSR1);
    return static_cast<long>(-EINTR);
  };
  char received[100] = {};
  ssize_t result = 0;
  StackBelowSignalStack::Run([&](const stack_t& above) {
    Sigaltstack(&above, nullptr);
    result = Read(ours(), received, sizeof(received));
  });
  EXPECT_EQ(result, 100);
  EXPECT_EQ(std::string(received, 100), first);
  EXPECT_EQ(std::string(in_handler, 100), second);
  EXPECT_EQ(session_.traps, 1);
}

TEST_F(ShimLane, LanesOfEndedThreadsAreUsedAgain) {
  session_.Earn();
  for (int i = 0; i < 100; ++i) {
    std::thread([this] { Echo(); }).join();
  }
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().lanes, 100u);
  // A joined thread may still exist for a moment.
  EXPECT_LE(session_.extents, 2);
}

TEST_F(ShimLane, MoreThreadsThanLanes) {
  session_.max_extents = 2;
  session_.Earn();
  constexpr int kThreads = 20;
  std::atomic<int> ready{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(Write(ours(), "x", 1), 1);
      ++ready;
      while (ready != kThreads) usleep(100);
    });
  }
  threads.clear();
  EXPECT_EQ(session_.extents, 2);
  EXPECT_EQ(session_.counters().fast, 14u);
  EXPECT_EQ(session_.counters().trap_no_lane, 6u);
  EXPECT_EQ(session_.traps, 6);
}

TEST_F(ShimLane, EveryLaneOfASessionWorks) {
  session_.Earn();
  std::atomic<int> ready{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t i = 0; i < VOS_MAX_USER_LANES; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(Write(ours(), "x", 1), 1);
      ++ready;
      while (ready != VOS_MAX_USER_LANES) usleep(1000);
      const std::vector<char> data(100, 'y');
      EXPECT_EQ(Write(ours(), data.data(), data.size()), 100);
    });
  }
  threads.clear();
  // Two threads may have looked for lanes at the same time; one of them does not wait, and makes both
  // calls without.
  EXPECT_GE(session_.extents * VOS_EXTENT_LANES + session_.counters().trap_no_lane / 2,
            VOS_MAX_USER_LANES);
  EXPECT_EQ(session_.counters().fast + session_.counters().trap_no_lane, 2u * VOS_MAX_USER_LANES);
}

TEST_F(ShimLane, AForkedChildHasNoSession) {
  session_.Earn();
  Echo();
  EXPECT_EQ(InChild([this] {
              if (StateOf(Domain::kNetwork).current.load() != nullptr) return 1;
              if (Write(ours(), "c", 1) != 1) return 2;
              return session_.counters().fast == 0 ? 0 : 3;
            }),
            0);
  // Nor has one of a raw clone(), where no handler of fork() runs.
  const pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
  if (child == 0) syscall(SYS_exit_group, Write(ours(), "c", 1) == 1 ? 0 : 1);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  char got[2];
  EXPECT_EQ(recv(theirs(), got, 2, MSG_WAITALL), 2);
  Echo();
}

pid_t child_of_handler;

TEST_F(ShimLane, AChildForkedByAHandlerThatInterruptedACall) {
  ASSERT_EQ(RegisterForkHandlers(), 0);
  session_.Earn();
  Echo();
  session_.InterruptNextWait([](int) { child_of_handler = fork(); });
  const ssize_t result = Write(ours(), "o", 1);
  if (child_of_handler == 0) {
    // The request was its parent's; it can't know what became of it.
    const bool lost = result == -1 && errno == ECONNRESET;
    _exit(lost && Write(ours(), "c", 1) == 1 ? 0 : 1);
  }
  EXPECT_EQ(result, 1);
  int status = 0;
  EXPECT_EQ(waitpid(child_of_handler, &status, 0), child_of_handler);
  EXPECT_EQ(status, 0);
  char got[2];
  EXPECT_EQ(recv(theirs(), got, 2, MSG_WAITALL), 2);
  Echo();
}

TEST_F(ShimLane, TheSessionDiesUnderACall) {
  session_.Earn();
  Echo();
  session_.header().spin_cycles = 0;
  session_.Stall();
  session_.on_wait = [this] {
    session_.header().dead = 1;
    return static_cast<long>(-ENETDOWN);
  };
  char byte;
  EXPECT_EQ(Read(ours(), &byte, 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(session_.traps, 0);

  // A datagram is received by trap instead, as the kernel's recv() waits for the domain.
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
  session_.Redirect(pair[0], VOS_KIND_DATAGRAM);
  session_.header().dead = 0;
  session_.ForgetLane();
  ASSERT_EQ(write(pair[1], "d", 1), 1);
  EXPECT_EQ(Read(pair[0], &byte, 1), 1);
  EXPECT_EQ(session_.counters().trap_lost, 1u);
  session_.header().dead = 0;
  session_.ForgetLane();
  EXPECT_EQ(Write(pair[0], "d", 1), -1);
  EXPECT_EQ(errno, ENETDOWN);
  close(pair[0]);
  close(pair[1]);
}

TEST_F(ShimLane, WakesForNothingAreBounded) {
  session_.Earn();
  Echo();
  session_.header().spin_cycles = 0;
  session_.Stall();
  session_.wakes_for_nothing = true;
  const int waits = session_.waits;
  EXPECT_EQ(Write(ours(), "x", 1), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_EQ(session_.waits - waits, static_cast<int>(kMaxEmptyWakes));
  // The lane is used again once that request is complete.
  session_.wakes_for_nothing = false;
  EXPECT_EQ(Write(ours(), "y", 1), 1);
  EXPECT_EQ(session_.traps, 1);
  session_.Resume();
  char got[2];
  EXPECT_EQ(recv(theirs(), got, 2, MSG_WAITALL), 2);
  EXPECT_EQ(std::string(got, 2), "yx");
  session_.Stall();
  session_.Resume();
  Echo();
  EXPECT_EQ(session_.traps, 1);
}

TEST_F(ShimLane, ACancelledThreadEndsAtAReadyCall) {
  session_.Earn();
  pthread_t thread;
  ASSERT_EQ(
      pthread_create(
          &thread, nullptr,
          [](void* fd) -> void* {
            while (Write(static_cast<int>(reinterpret_cast<std::intptr_t>(fd)), "x", 1) == 1) {
            }
            return nullptr;
          },
          reinterpret_cast<void*>(static_cast<std::intptr_t>(ours()))),
      0);
  fcntl(theirs(), F_SETFL, O_NONBLOCK);
  std::jthread drain([this](std::stop_token stop) {
    char data[4096];
    while (!stop.stop_requested()) {
      if (read(theirs(), data, sizeof(data)) < 0) usleep(10);
    }
  });
  usleep(20'000);
  ASSERT_EQ(pthread_cancel(thread), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_EQ(result, PTHREAD_CANCELED);
}

}  // namespace
}  // namespace vos::shim
