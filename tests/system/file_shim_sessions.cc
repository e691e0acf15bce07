// SPDX-License-Identifier: Apache-2.0
// A process has sessions with two domains, each with its own life: vfork, exec, another descriptor
// table, a seccomp filter and a limit of file sizes end or suspend what they must, and a descriptor
// is always its own file.
// tier: fast
// boot: shared
// variants: trap shim
// time: 40
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

#include "files.h"
#include "kernel/virtuos/abi/virtuos.h"
#include "shim_counters.h"

using namespace vos::testing;

namespace {

bool IsFast() { return Variant() == "shim"; }

// How many of n calls were fast.
uint64_t FastReads(int fd, int n) {
  char byte;
  const uint64_t before = FastFileCalls();
  for (int i = 0; i < n; i++) CHECK_EQ(pread(fd, &byte, 1, 0), 1);
  return FastFileCalls() - before;
}

long Virtuos(unsigned long op, unsigned long argument) {
  return syscall(SYS_prctl, PR_VIRTUOS, op, argument, 0, 0);
}

long Enter(uint32_t domain) {
  vos_enter enter = {};
  enter.abi_version = VOS_ABI_VERSION;
  enter.domain = domain;
  return Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter));
}

// Sessions as the kernel gives them, without the library.
void Direct(int fd, int socket) {
  const uint64_t kStorage = vos_call_arg(VOS_DOMAIN_STORAGE, 0, 0, 0);
  const uint64_t kNetwork = vos_call_arg(VOS_DOMAIN_NETWORK, 0, 0, 0);
  CHECK_EQ(Virtuos(VOS_CALL_SERVING, fd), VOS_DOMAIN_STORAGE);
  CHECK_EQ(Virtuos(VOS_CALL_SERVING, socket), VOS_DOMAIN_NETWORK);
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(Virtuos(VOS_CALL_SERVING, ends[0]), VOS_DOMAIN_NONE);
  const Fd folder = Open(".", O_RDONLY | O_DIRECTORY);
  CHECK_EQ(Virtuos(VOS_CALL_SERVING, int(folder)), VOS_DOMAIN_NONE);
  CHECK_FAILS(Virtuos(VOS_CALL_SERVING, -1), EBADF);
  CHECK_FAILS(Virtuos(VOS_CALL_SERVING, 1'000'000), EBADF);

  CHECK_OK(Enter(VOS_DOMAIN_STORAGE));
  CHECK_FAILS(Enter(VOS_DOMAIN_STORAGE), EEXIST);
  CHECK_FAILS(Virtuos(VOS_CALL_KICK, kNetwork), ENOENT);
  CHECK_OK(Virtuos(VOS_CALL_KICK, kStorage));
  CHECK_OK(Enter(VOS_DOMAIN_NETWORK));
  CHECK_FAILS(Enter(VOS_DOMAIN_NETWORK), EEXIST);
  CHECK_EQ(Virtuos(VOS_CALL_EXTEND, kNetwork), 1);
  CHECK_EQ(Virtuos(VOS_CALL_EXTEND, kStorage), 1);
  CHECK_EQ(Virtuos(VOS_CALL_EXTEND, kStorage), 2);
  CHECK_FAILS(Virtuos(VOS_CALL_EXTEND, kStorage | 1), EINVAL);
  CHECK_OK(Virtuos(VOS_CALL_KICK, kStorage | 20));
  CHECK_FAILS(Virtuos(VOS_CALL_KICK, kNetwork | 20), EINVAL);
  CHECK_FAILS(Virtuos(VOS_CALL_KICK, 1ul << 32 | kStorage), EINVAL);

  // A limit of file sizes ends one of them, and keeps it away.
  const rlimit limit{1 << 20, RLIM_INFINITY}, none{RLIM_INFINITY, RLIM_INFINITY};
  CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &limit, nullptr));
  CHECK_FAILS(Virtuos(VOS_CALL_KICK, kStorage), ENETDOWN);
  CHECK_OK(Virtuos(VOS_CALL_KICK, kNetwork));
  for (int i = 0; i < 1'000; i++) {
    errno = 0;
    CHECK(Enter(VOS_DOMAIN_STORAGE) < 0 && errno == EFBIG);
  }
  CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &none, nullptr));
  long result;
  const int64_t end = Milliseconds() + kSoon;
  // Until the old one is closed.
  while ((result = Enter(VOS_DOMAIN_STORAGE)) < 0 && errno == EAGAIN && Milliseconds() < end)
    Sleep(1);
  CHECK_EQ(result, 0);
  CHECK_OK(Virtuos(VOS_CALL_KICK, kStorage));
}

// The first byte of fd as a child of vfork() reads it that made it a copy of `other`.
[[gnu::noinline]] int ReadByVforkedChild(int fd, int other) {
  static volatile char seen;  // the child writes it in this memory
  seen = 0;
  const pid_t child = vfork();
  if (child == 0) {
    char byte;
    if (dup2(other, fd) < 0 || pread(fd, &byte, 1, 0) != 1) _exit(2);
    seen = byte;
    _exit(0);
  }
  Join(child);
  return seen;
}

}  // namespace

int main() {
  Directory directory;
  Put("file", "file one");
  Put("other", "other file");
  const Fd fd = Open("file", O_RDWR), other = Open("other", O_RDONLY);
  Pair tcp = TcpPair(AF_INET);
  Join(Fork([&] { Direct(fd, tcp.client); }));

  for (int i = 0; i < 100; i++) CheckAlive(tcp.client, tcp.server);
  WarmUp(fd);
  if (IsFast()) {
    CHECK_EQ(ShimCounters().sessions, 2);
    CHECK_EQ(ShimCounters().file_sessions, 1);
    CHECK(FastReads(fd, 100) >= 90);
  }

  // A child of vfork() has a table of its own: the same number is another file there.
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(ReadByVforkedChild(fd, other), 'o');
    CheckSame(ReadAt(fd, 100, 0), "file one", "the parent's file");
  }
  if (IsFast()) CHECK(FastReads(fd, 100) >= 90);

  // So has a thread that unshares it.
  {
    std::atomic<bool> unshared = false, done = false;
    Thread thread([&] {
      CHECK_OK(unshare(CLONE_FILES));
      CHECK_EQ(dup2(other, fd), int(fd));
      unshared = true;
      for (int i = 0; i < 200; i++) CheckSame(ReadAt(fd, 100, 0), "other file", "its own table");
      while (!done) Sleep(1);
    });
    while (!unshared) Sleep(1);
    for (int i = 0; i < 200; i++) CheckSame(ReadAt(fd, 100, 0), "file one", "the old table");
    CHECK_EQ(FastReads(fd, 100), 0);
    done = true;
  }
  // The session has ended, lest it outlives those who have its table; another one is earned.
  if (IsFast()) CHECK(FastReads(fd, 20'000) > 0);

  // After exec nothing is left, and the descriptor is there.
  Join(Fork([&] {
    WarmUp(fd);
    CHECK_EQ(dup2(fd, 7), 7);
    execl("/bin/sh", "sh", "-c", "test \"$(cat <&7)\" = 'file one'", nullptr);
    FAIL("no shell");
  }));

  // A filter sees every call from then on, in both domains' sessions.
  Join(Fork([&] {
    WarmUp(fd);
    for (int i = 0; i < 100; i++) CheckAlive(tcp.client, tcp.server);
    if (IsFast()) CHECK_EQ(ShimCounters().sessions, 2);
    sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog filter{1, all};
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
    CHECK_EQ(FastReads(fd, 3'000), 0);
    const uint64_t fast = ShimCounters().fast;
    for (int i = 0; i < 100; i++) CheckAlive(tcp.client, tcp.server);
    CHECK_EQ(ShimCounters().fast, fast);
  }));

  // A limit of file sizes: at once for files, not for sockets.
  Join(Fork([&] {
    WarmUp(fd);
    for (int i = 0; i < 100; i++) CheckAlive(tcp.client, tcp.server);
    rlimit limit;
    CHECK_OK(getrlimit(RLIMIT_FSIZE, &limit));
    const rlimit low{20, limit.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &low));
    CHECK_EQ(FastReads(fd, 100), 0);
    CHECK_EQ(pwrite(fd, "0123456789", 10, 15), 5);
    const uint64_t fast = ShimCounters().fast;
    for (int i = 0; i < 100; i++) CheckAlive(tcp.client, tcp.server);
    if (IsFast()) CHECK(ShimCounters().fast >= fast + 200);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    CHECK_OK(ftruncate(fd, 8));
    // It is earned again, later.
    if (IsFast()) CHECK(FastReads(fd, 20'000) > 0);
  }));
  CheckSame(ReadAt(fd, 100, 0), "file one", "in the end");
  return 0;
}
