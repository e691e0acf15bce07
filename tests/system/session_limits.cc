// SPDX-License-Identifier: Apache-2.0
// Sessions are bounded: memory by RLIMIT_MEMLOCK, lanes by their number, one session a process.
// What is over the limit is refused at once, and sockets work without.
// tier: fast
// boot: shared
#include <grp.h>
#include <sys/prctl.h>

#include "kernel/virtuos/abi/virtuos.h"
#include "testing.h"

using namespace vos::testing;

// The session with the network domain, as the calls name it.
static const uint64_t kNetwork = vos_call_arg(VOS_DOMAIN_NETWORK, 0, 0, 0);

static long Virtuos(unsigned long op, unsigned long argument) {
  return syscall(SYS_prctl, PR_VIRTUOS, op, argument, 0, 0);
}

static long Enter(uint32_t domain = VOS_DOMAIN_NETWORK, uint32_t version = VOS_ABI_VERSION) {
  vos_enter enter = {};
  enter.abi_version = version;
  enter.domain = domain;
  return Virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter));
}

int main() {
  if (getuid() != 0) SKIP("needs root");
  Pair tcp = TcpPair(AF_INET);
  CHECK_FAILS(Enter(VOS_DOMAIN_NETWORK, VOS_ABI_VERSION + 1), EPROTONOSUPPORT);
  CHECK_FAILS(Enter(VOS_DOMAIN_MAX), ENETDOWN);  // a domain there is not
  CHECK_FAILS(Virtuos(VOS_CALL_KICK, kNetwork), ENOENT);
  CHECK_FAILS(Virtuos(VOS_CALL_EXTEND, kNetwork), ENOENT);
  CHECK_EQ(Virtuos(99, 0), -1);
  CHECK(errno == EINVAL || errno == ENOENT);

  // An ordinary user without locked memory.
  Join(Fork([&] {
    const rlimit none = {0, 0};
    CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &none));
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresuid(65534, 65534, 65534));
    const int64_t start = Milliseconds();
    for (int i = 0; i < 20; i++) CHECK_FAILS(Enter(), ENOMEM);
    CHECK(Milliseconds() - start < kSoon);
    for (int i = 0; i < 50; i++) CheckAlive(tcp.client, tcp.server);
  }));

  // As many lanes as there may be, and not one more; then again after the process has ended.
  for (int round = 0; round < 3; round++) {
    Join(Fork([&] {
      CHECK_OK(Enter());
      CHECK_FAILS(Enter(), EEXIST);
      int extents = 1;
      for (; extents < 100; extents++)
        if (Virtuos(VOS_CALL_EXTEND, kNetwork) < 0) break;
      CHECK(errno == ENOSPC || errno == ENOMEM || errno == ENOBUFS);
      CHECK(extents <= static_cast<int>(VOS_MAX_EXTENTS));
      printf("%d extents\n", extents);
      CHECK_FAILS(
          Virtuos(VOS_CALL_KICK, vos_call_arg(VOS_DOMAIN_NETWORK, VOS_MAX_USER_LANES, 0, 0)),
          EINVAL);
      // A child has none of it.
      Join(Fork([&] {
        CHECK_FAILS(Virtuos(VOS_CALL_KICK, kNetwork), ENOENT);
        CHECK_OK(Enter());
      }));
      for (int i = 0; i < 50; i++) CheckAlive(tcp.client, tcp.server);
    }));
  }

  // Many processes with a session each: all of them, or some refused at once; all can work.
  std::vector<pid_t> children;
  int ready[2], go[2];
  CHECK_OK(pipe(ready));
  CHECK_OK(pipe(go));
  constexpr int kProcesses = 40;
  for (int i = 0; i < kProcesses; i++)
    children.push_back(Fork([&] {
      close(go[1]);
      const char entered = Enter() == 0 ? 'y' : errno == ENOMEM || errno == ENOBUFS ? 'n' : '?';
      Pair own = TcpPair(AF_INET6);
      for (int round = 0; round < 20; round++) CheckAlive(own.client, own.server);
      CHECK_EQ(write(ready[1], &entered, 1), 1);
      char end;
      CHECK_EQ(read(go[0], &end, 1), 0);
    }));
  int with_session = 0;
  for (int i = 0; i < kProcesses; i++) {
    char entered;
    CHECK_EQ(read(ready[0], &entered, 1), 1);
    CHECK(entered != '?');
    with_session += entered == 'y';
  }
  printf("%d of %d processes have a session\n", with_session, kProcesses);
  CHECK(with_session > 0);
  close(go[1]);
  for (pid_t child : children) Join(child);
  return 0;
}
