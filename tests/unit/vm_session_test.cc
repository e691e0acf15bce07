// SPDX-License-Identifier: Apache-2.0
// links: tools/vm/session.cc tools/vm/sandbox.cc tools/vm/diagnosis.cc tools/vm/terminal.cc
//
// A session with what is no machine: how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/temporary_directory.h"
#include "tools/vm/sandbox.h"
#include "tools/vm/session.h"

namespace vos::vm {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

// Long for a session that ends at once, short beside the program that outlives it.
constexpr seconds kSoon{10};
constexpr char kLonger[] = "30";

class MachineEnds : public ::testing::Test {
 protected:
  MachineEnds() {
    directory_.Write("job.tar", "");
    directory_.Write("resolv.conf", "");
    sigset_t handled;
    sigemptyset(&handled);
    for (const int signal : kSessionSignals) sigaddset(&handled, signal);
    sigprocmask(SIG_BLOCK, &handled, nullptr);
    signal(SIGPIPE, SIG_IGN);
    // A session that hangs ends the test.
    alarm(static_cast<unsigned>(2 * kSoon.count()));
  }
  ~MachineEnds() override { alarm(0); }

  Program Command(std::vector<std::string> words) const {
    return {.command = std::move(words),
            .environment = {},
            .directory = directory_.path(),
            .log = directory_.path() / "program.log"};
  }

  // The machine's end of the socket is {} in its command.
  Outcome Run(std::vector<std::string> machine_command) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return {-1, "socketpair"};
    FileDescriptor ours(ends[0]), machines(ends[1]);
    Program machine = Command(std::move(machine_command));
    machine.passed_descriptor = machines.get();
    for (std::string& word : machine.command) {
      if (const auto at = word.find("{}"); at != word.npos) {
        word.replace(at, 2, std::to_string(machines.get()));
      }
    }
    const std::vector<Program> programs = {Command({"sleep", kLonger}), machine};
    auto sandbox = Sandbox::Start(programs, directory_.path() / "resolv.conf");
    if (!sandbox) return {-1, sandbox.error()};
    machines.Reset();
    Options options;
    options.command = {"true"};
    return RunSession(options, *sandbox,
                      {.guest = std::move(ours),
                       .machine = 1,
                       .run = directory_.path(),
                       .job_archive = directory_.path() / "job.tar"});
  }

  const TemporaryDirectory directory_;
  const steady_clock::time_point begin_ = steady_clock::now();
};

TEST_F(MachineEnds, BesideAProgramThatGoesOn) {
  const Outcome outcome = Run({"true"});
  EXPECT_EQ(outcome.status, kToolFailedStatus) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("QEMU ended before it ran anything"));
  EXPECT_LT(steady_clock::now() - begin_, kSoon);
}

TEST_F(MachineEnds, AfterItBegan) {
  const Outcome outcome = Run({"sh", "-c", "echo Xen >serial.log"});
  EXPECT_EQ(outcome.status, kBootFailedStatus) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("the machine ended while it booted"));
  EXPECT_LT(steady_clock::now() - begin_, kSoon);
}

// Somebody else has its end of the socket open.
TEST_F(MachineEnds, ButNotAllThatItStarted) {
  const Outcome outcome = Run({"sh", "-c", std::string("sleep ") + kLonger + " &"});
  EXPECT_EQ(outcome.status, kToolFailedStatus) << outcome.message;
  EXPECT_LT(steady_clock::now() - begin_, kSoon);
}

// Its last words are heard: a frame of FrameType::kFailed.
TEST_F(MachineEnds, AfterItSaidWhy) {
  const Outcome outcome = Run({"bash", "-c", "printf '\\007\\0\\0\\0\\050\\0\\0\\0no disk' >&{}"});
  EXPECT_EQ(outcome.status, kBootFailedStatus) << outcome.message;
  EXPECT_THAT(outcome.message, HasSubstr("no disk"));
}

}  // namespace
}  // namespace vos::vm
