// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
//
// What the shim does of itself once a program has confined itself by seccomp: nothing. With this
// machine's kernel behind it, which ends a child that makes another call than those it may.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "libsyscall-shim/file_transfer.h"
#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/noticed_calls.h"
#include "libsyscall-shim/session.h"
#include "libsyscall-shim/transfer.h"

namespace vos::shim {
namespace {

// More than any program makes before the shim looks at one of its calls.
constexpr int kCalls = 5000;

sock_filter kill_by_default[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 6, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 5, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvfrom, 4, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};
sock_filter allow_all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};

template <std::size_t kLength>
sock_fprog ProgramOf(sock_filter (&code)[kLength]) {
  return {.len = kLength, .filter = code};
}

unsigned long Address(const void* at) { return reinterpret_cast<unsigned long>(at); }

class Confinement : public testing::Test {
 protected:
  Confinement() {
    ResolveNextFunctions();
    InitializeState();
    confinement = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair_) != 0) std::abort();
  }
  ~Confinement() override {
    confinement = 0;
    for (const int fd : {pair_[0], pair_[1], file_}) close(fd);
  }

  // Calls that the filter above allows, and strict mode but for those on files.
  bool Streams() {
    char byte;
    for (int i = 0; i < kCalls; ++i) {
      if (Write(pair_[0], "x", 1) != 1 || Read(pair_[1], &byte, 1) != 1) return false;
    }
    return true;
  }
  bool Files() {
    char byte;
    for (int i = 0; i < kCalls; ++i) {
      if (Pread(file_, &byte, 1, 0) != 0 || Fsync(file_) != 0) return false;
    }
    return true;
  }

  // The status of a child, which ends by the one call that every filter here allows.
  template <typename Body>
  int InChild(Body body) {
    const pid_t child = fork();
    if (child == 0) ::syscall(SYS_exit, body() ? 0 : 1);
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

  static bool GivePrivilegesUp() { return Prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0; }

  int pair_[2];
  const int file_ = memfd_create("file", 0);
};

TEST_F(Confinement, AFilterByPrctl) {
  const sock_fprog program = ProgramOf(kill_by_default);
  EXPECT_EQ(0, InChild([&] {
              return GivePrivilegesUp() &&
                     Prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, Address(&program), 0, 0) == 0 &&
                     Streams() && Files();
            }));
}

TEST_F(Confinement, AFilterBySeccompWithoutOtherWarning) {
  const sock_fprog program = ProgramOf(kill_by_default);
  EXPECT_EQ(0, InChild([&] {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              return confinement == 0 &&
                     SystemCall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, Address(&program), 0, 0,
                                0) == 0 &&
                     Streams() && Files();
            }));
}

TEST_F(Confinement, StrictMode) {
  EXPECT_EQ(0, InChild([&] {
              return Prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0 && Streams();
            }));
  EXPECT_EQ(0, InChild([&] {
              return SystemCall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0, 0) == 0 &&
                     Streams();
            }));
}

// A filter outlives fork, and so must what is known of it.
TEST_F(Confinement, AChildIsConfinedAsWell) {
  EXPECT_EQ(0, InChild([&] {
              if (!GivePrivilegesUp()) return false;
              return InChild([] { return !MayBeginCalls(); }) == 0;
            }));
}

// The shim's own calls, in the course of a call that is under way.
TEST_F(Confinement, NothingIsCalledWithoutNeed) {
  EXPECT_EQ(kernel.process_id(), getpid());
  confinement = kNoNewPrivileges;
  EXPECT_EQ(kernel.process_id(), getpid());
  EXPECT_TRUE(SignalBlock().holds());
  for (const std::uint32_t why : {kConfined, kConfining, kConfined + kConfining}) {
    confinement = why;
    EXPECT_EQ(kernel.process_id(), -EPERM);
    EXPECT_EQ(kernel.virtuos(0, 0), -EPERM);
    EXPECT_EQ(kernel.socket_domain(pair_[0]), -EPERM);
    EXPECT_TRUE(kernel.thread_exists(1 << 29));
    EXPECT_TRUE(kernel.on_signal_stack());
    EXPECT_FALSE(SignalBlock().holds());
  }
}

TEST_F(Confinement, WhatFailsConfinesNobody) {
  EXPECT_EQ(Prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  errno = 0;
  EXPECT_EQ(SystemCall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, ~0ul, 0, 0, 0, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(Prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), -1);
  // Questions, and other calls.
  const unsigned action = SECCOMP_RET_KILL_PROCESS;
  EXPECT_EQ(SystemCall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, Address(&action), 0, 0, 0), 0);
  EXPECT_GE(Prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
  EXPECT_EQ(SystemCall(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
  EXPECT_TRUE(MayBeginCalls());
  // One that comes later does not lift it.
  confinement = kConfined;
  EXPECT_EQ(Prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0, 0, 0), -1);
  EXPECT_EQ(confinement, kConfined);
}

std::atomic<std::uint32_t> meanwhile;

int Succeed(int, ...) {
  meanwhile = confinement.load();
  return 0;
}

TEST_F(Confinement, ItIsKnownBeforeTheFilterIsThere) {
  next.prctl = Succeed;
  EXPECT_EQ(Prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0), 0);
  EXPECT_EQ(meanwhile, kConfining);
  EXPECT_EQ(confinement, kConfined);
}

TEST_F(Confinement, OneThatIsInheritedIsFound) {
  const sock_fprog program = ProgramOf(allow_all);
  EXPECT_EQ(0, InChild([&] {
              prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
              prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
              return HasSeccompFilter();
            }));
  // The tests themselves may run under one.
  EXPECT_EQ(HasSeccompFilter(), prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0);
}

TEST(SignalStacks, OnesThatAreDisarmedAreNoticed) {
  ResolveNextFunctions();
  disarmed_signal_stacks = false;
  static char memory[1 << 16];
  stack_t old, stack{.ss_sp = memory, .ss_flags = 0, .ss_size = sizeof(memory)};
  ASSERT_EQ(Sigaltstack(nullptr, &old), 0);
  EXPECT_EQ(Sigaltstack(&stack, nullptr), 0);
  EXPECT_FALSE(disarmed_signal_stacks);
  EXPECT_FALSE(kernel.on_signal_stack());
  stack.ss_flags = kAutodisarm;
  EXPECT_EQ(SystemCall(SYS_sigaltstack, Address(&stack), 0, 0, 0, 0, 0), 0);
  EXPECT_TRUE(disarmed_signal_stacks);
  EXPECT_TRUE(kernel.on_signal_stack());
  // Bad pointers are the kernel's business.
  errno = 0;
  EXPECT_EQ(Sigaltstack(reinterpret_cast<const stack_t*>(8), nullptr), -1);
  EXPECT_EQ(errno, EFAULT);
  disarmed_signal_stacks = false;
  EXPECT_EQ(Sigaltstack(&old, nullptr), 0);
}

}  // namespace
}  // namespace vos::shim
