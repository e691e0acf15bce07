// SPDX-License-Identifier: Apache-2.0
// A user without privilege gets half of the sockets that the network domain can have, and few of those that hold
// what nobody reads. When it has all of them, others go on as before, and it does when it has closed some.
// tier: fast
// boot: shared
// time: 120
#include <grp.h>
#include <linux/netlink.h>

#include "kernel/virtuos/abi/virtuos.h"
#include "testing.h"

using namespace vos::testing;

namespace {

constexpr uid_t kGreedy = 65501, kOther = 65502;

void Become(uid_t user) {
  CHECK_OK(setgroups(0, nullptr));
  CHECK_OK(setresuid(user, user, user));
}

// All that can be had; they stay open.
int Exhaust(int family, int type, int protocol) {
  for (int count = 0;; count++) {
    if (socket(family, type | SOCK_CLOEXEC, protocol) >= 0) continue;
    CHECK_EQ(errno, ENFILE);
    return count;
  }
}

void CheckServed() {
  Pair tcp = TcpPair(AF_INET);
  CheckAlive(tcp.client, tcp.server);
  const Fd netlink(CHECK_OK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)));
}

}  // namespace

int main() {
  if (getuid() != 0) SKIP("needs root");
  RaiseFileLimit(VOS_MAX_OBJECTS);
  int ready[2], go[2];
  CHECK_OK(pipe(ready));
  CHECK_OK(pipe(go));
  const pid_t greedy = Fork([&] {
    close(go[1]);
    Become(kGreedy);
    const int queues = Exhaust(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    CHECK_FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), ENFILE);
    const int sockets = queues + Exhaust(AF_INET, SOCK_DGRAM, 0);
    printf("%d sockets, %d of them netlink\n", sockets, queues);
    fflush(stdout);
    CHECK_EQ(queues, 64);
    CHECK_EQ(sockets, VOS_MAX_OBJECTS / 2);
    char byte = 0;
    CHECK_EQ(write(ready[1], &byte, 1), 1);
    CHECK_EQ(read(go[0], &byte, 1), 0);
    // All its sockets go; then it may have others.
    CHECK_OK(close_range(go[0] + 1, ~0u, 0));
    CheckServed();
  });
  char byte;
  close(ready[1]);
  CHECK_EQ(read(ready[0], &byte, 1), 1);
  for (int i = 0; i < 20; i++) CheckServed();
  // Nor is it the domain's own limit that was met.
  std::vector<Fd> more;
  for (int i = 0; i < 500; i++)
    more.emplace_back(CHECK_OK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  Join(Fork([] {
    Become(kOther);
    for (int i = 0; i < 20; i++) CheckServed();
  }));
  close(go[1]);
  Join(greedy);
  return 0;
}
