// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/child.cc tools/vosd/event_loop.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/vosd/child.h"
#include "tools/vosd/event_loop.h"

namespace vos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Ended {
  int status = -1;
  std::vector<std::string> lines;
};

Ended RunShell(const std::string& script) {
  auto loop = EventLoop::Create();
  EXPECT_TRUE(loop);
  Ended ended;
  std::unique_ptr<Child> child;
  auto started = Child::Start(
      *loop, {"sh", "-c", script}, [&](std::string_view line) { ended.lines.emplace_back(line); },
      [&](int status) {
        ended.status = status;
        child.reset();
        loop->Stop();
      });
  EXPECT_TRUE(started) << started.error().message;
  child = std::move(*started);
  EXPECT_TRUE(loop->Run());
  return ended;
}

TEST(Child, GivesLinesOfBothOutputsAndTheStatus) {
  const Ended ended = RunShell("echo one; echo two >&2; printf three; exit 5");
  EXPECT_EQ(ended.status, 5);
  EXPECT_THAT(ended.lines, ElementsAre("one", "two", "three"));
}

TEST(Child, ASignalCountsAsInAShell) { EXPECT_EQ(RunShell("kill -TERM $$").status, 128 + SIGTERM); }

TEST(Child, ADescendantThatKeepsTheOutputHoldsNothingUp) {
  const auto start = std::chrono::steady_clock::now();
  const Ended ended = RunShell("sleep 60 & echo started $! ");
  EXPECT_EQ(ended.status, 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
  ASSERT_EQ(ended.lines.size(), 1u);
  kill(std::stoi(ended.lines[0].substr(8)), SIGKILL);
}

TEST(Child, LowPriorityIsForWhatItStartsToo) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  std::vector<std::string> lines;
  const auto child = Child::Start(
      *loop, {"sh", "-c", "while [ $(nice) -lt 10 ]; do sleep 0.01; done; nice"},
      [&](std::string_view line) { lines.emplace_back(line); }, [&](int) { loop->Stop(); });
  ASSERT_TRUE(child) << child.error().message;
  (*child)->SetPriority(Child::Priority::kLow);
  ASSERT_TRUE(loop->Run());
  EXPECT_THAT(lines, ElementsAre("10"));
}

TEST(Child, ReadsMuchOutput) {
  const Ended ended = RunShell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done");
  ASSERT_EQ(ended.lines.size(), 2000u);
  EXPECT_EQ(ended.lines.back(), "line 1999");
}

TEST(Child, HasNoInputAndNoBlockedSignals) {
  sigset_t terminate;
  sigset_t before;
  sigemptyset(&terminate);
  sigaddset(&terminate, SIGTERM);
  sigprocmask(SIG_BLOCK, &terminate, &before);
  const Ended ended = RunShell("cat; grep -c '^SigBlk:.0000000000000000$' /proc/self/status");
  sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(ended.lines, ElementsAre("1"));
}

TEST(Child, DoesNotEndWithWhoReadsItsOutput) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  const Ended ended = RunShell("grep -c '^SigIgn:.*1...$' /proc/self/status");
  signal(SIGPIPE, before);
  EXPECT_THAT(ended.lines, ElementsAre("1"));
}

TEST(Child, AMissingProgramIsAnError) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  EXPECT_FALSE(Child::Start(*loop, {"/nonexistent"}, [](std::string_view) {}, [](int) {}));
}

TEST(Child, EndsWithItsOwner) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  const auto start = std::chrono::steady_clock::now();
  {
    auto child = Child::Start(*loop, {"sleep", "60"}, [](std::string_view) {}, [](int) {});
    ASSERT_TRUE(child);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Child, TellsTheEndOfOneThatIsKilled) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  int status = -1;
  auto child = Child::Start(
      *loop, {"sleep", "60"}, [](std::string_view) {},
      [&](int ended) {
        status = ended;
        loop->Stop();
      });
  ASSERT_TRUE(child);
  (*child)->Kill();
  ASSERT_TRUE(loop->Run());
  EXPECT_EQ(status, 128 + SIGKILL);
  // Nothing happens, whoever has its number now.
  (*child)->Kill();
}

TEST(Child, IsReapedByTheLoopIfItsOwnerDoesNotWait) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  pid_t pid = 0;
  std::unique_ptr<Child> child;
  int looks = 0;
  Timer* self = nullptr;
  auto timer = Timer::Create(*loop, [&] {
    const bool reaped = kill(pid, 0) < 0;
    if (reaped || ++looks == 3000) return loop->Stop();
    self->Set(std::chrono::milliseconds(10));
  });
  ASSERT_TRUE(timer);
  self = &*timer;
  auto started = Child::Start(
      *loop, {"sh", "-c", "echo $$; exec sleep 60"},
      [&](std::string_view line) {
        pid = std::stoi(std::string(line));
        self->Set(std::chrono::milliseconds(1));
      },
      [](int) { FAIL() << "nobody is to be told"; });
  ASSERT_TRUE(started);
  child = std::move(*started);
  auto end = Timer::Create(*loop, [&] { child.reset(); });
  ASSERT_TRUE(end);
  end->Set(std::chrono::milliseconds(200));
  ASSERT_TRUE(loop->Run());
  EXPECT_GT(pid, 0);
  EXPECT_LT(looks, 3000);
}

TEST(Timer, RunsOnceAfterEachSetting) {
  auto loop = EventLoop::Create();
  ASSERT_TRUE(loop);
  int runs = 0;
  Timer* self = nullptr;
  auto timer = Timer::Create(*loop, [&] {
    if (++runs == 3) return loop->Stop();
    self->Set(std::chrono::milliseconds(0));
  });
  ASSERT_TRUE(timer);
  self = &*timer;
  timer->Set(std::chrono::milliseconds(1));
  ASSERT_TRUE(loop->Run());
  EXPECT_EQ(runs, 3);
}

}  // namespace
}  // namespace vos
