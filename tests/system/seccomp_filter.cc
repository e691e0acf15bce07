// SPDX-License-Identifier: Apache-2.0
// A seccomp filter holds for socket calls however they are made: what it forbids fails, before
// and after the process has earned a fast path. One that ends the program for any call but those it
// makes itself does not end it, nor does strict mode: nobody makes calls in its name.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "testing.h"

using namespace vos::testing;

// Installs a filter that does one thing with these calls and another with all others.
static void Filter(const std::vector<int>& calls, unsigned with_these, unsigned otherwise,
                   bool by_prctl = true) {
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const int call : calls) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, with_these));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, otherwise));
  const sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  const long result = by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
                               : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
  if (result < 0) SKIP("no seccomp filters here");
}

static void ForbidSending() { Filter({SYS_sendto}, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW); }

static void CheckForbidden(Pair& tcp) {
  for (int i = 0; i < 50; i++) {
    CHECK_FAILS(send(tcp.client, "x", 1, 0), EPERM);
    CHECK_EQ(write(tcp.client, "y", 1), 1);
    char byte;
    CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'y');
  }
}

// More calls than it takes for somebody to look at one of them.
static void ReadAndWrite(Pair& tcp, int fd) {
  char byte;
  for (int i = 0; i < 150; i++) {
    CHECK_EQ(write(tcp.client, "y", 1), 1);
    CHECK_EQ(read(tcp.server, &byte, 1), 1);
    CHECK_EQ(byte, 'y');
    CHECK_EQ(read(fd, &byte, 1), 0);
  }
}

// Programs that are ended for any call which is not their own. Each is tried without a fast path
// and with one.
static void TryPrograms(Pair& tcp, int fd) {
  for (const int calls_before : {0, 60}) {
    const auto earn = [&] {
      for (int i = 0; i < calls_before; i++) CheckAlive(tcp.client, tcp.server);
    };
    for (const bool by_prctl : {true, false}) {
      Join(Fork([&] {
        earn();
        Filter({SYS_read, SYS_write, SYS_pread64, SYS_fsync, SYS_exit_group}, SECCOMP_RET_ALLOW,
               SECCOMP_RET_KILL_PROCESS, by_prctl);
        ReadAndWrite(tcp, fd);
        char byte;
        for (int i = 0; i < 100; i++) CHECK_EQ(pread(fd, &byte, 1, 0), 0);
        for (int i = 0; i < 100; i++) CHECK_OK(fsync(fd));
      }));
    }
    Join(Fork([&] {
      earn();
      CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
      ReadAndWrite(tcp, fd);
      syscall(SYS_exit, 0);
    }));
    // It forks, changes the limit of file sizes, and still makes none of these.
    Join(Fork([&] {
      earn();
      Filter({SYS_openat, SYS_prctl, SYS_getsockopt, SYS_mmap, SYS_madvise, SYS_sched_yield,
              SYS_tkill, SYS_sigaltstack},
             SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
      const rlimit limit = {1 << 20, RLIM_INFINITY};
      CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
      Join(Fork([&] { ReadAndWrite(tcp, fd); }));
      ReadAndWrite(tcp, fd);
    }));
  }
}

int main() {
  Pair tcp = TcpPair(AF_INET);
  const Fd fd(CHECK_OK(memfd_create("file", MFD_CLOEXEC)));
  TryPrograms(tcp, fd);
  Join(Fork([&] {
    ForbidSending();
    CheckForbidden(tcp);
  }));
  for (int i = 0; i < 60; i++) CheckAlive(tcp.client, tcp.server);
  ForbidSending();
  CheckForbidden(tcp);
  return 0;
}
