// SPDX-License-Identifier: Apache-2.0
// socket() makes what is served, with its flags, and fails clearly for everything else: no
// family silently reaches an empty stack.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <sys/un.h>

#include "testing.h"

using namespace vos::testing;

static void CheckServed(int family, int type, int protocol) {
  const Fd fd(CHECK_OK(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol)));
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(Option(fd, SOL_SOCKET, SO_DOMAIN), family);
  CHECK_EQ(Option(fd, SOL_SOCKET, SO_TYPE), type);
  const Fd plain(CHECK_OK(socket(family, type, protocol)));
  CHECK(!(fcntl(plain, F_GETFL) & O_NONBLOCK));
  CHECK_EQ(fcntl(plain, F_GETFD), 0);
}

static void CheckRefused(int family, int type, int protocol) {
  errno = 0;
  const Fd fd(socket(family, type, protocol));
  CHECK_EQ(fd, -1);
  if (errno != EAFNOSUPPORT && errno != EPROTONOSUPPORT && errno != ESOCKTNOSUPPORT &&
      errno != EOPNOTSUPP)
    FAIL("socket(%d, %d, %d) has an unclear error", family, type, protocol);
}

int main() {
  for (int family : kFamilies) {
    CheckServed(family, SOCK_STREAM, 0);
    CheckServed(family, SOCK_STREAM, IPPROTO_TCP);
    CheckServed(family, SOCK_DGRAM, 0);
    CheckServed(family, SOCK_DGRAM, IPPROTO_UDP);
    CheckRefused(family, SOCK_STREAM, IPPROTO_UDP);
    CheckRefused(family, SOCK_DGRAM, IPPROTO_TCP);
    CheckRefused(family, SOCK_SEQPACKET, 0);
    CHECK_FAILS(socket(family, 42, 0), EINVAL);
    CHECK_FAILS(socket(family, SOCK_STREAM | 0x100, 0), EINVAL);
  }
  CheckServed(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  CheckRefused(AF_MAX - 1, SOCK_STREAM, 0);
  CHECK_FAILS(socket(AF_MAX + 7, SOCK_STREAM, 0), EAFNOSUPPORT);

  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  CheckAlive(ends[0], ends[1]);
  CHECK_FAILS(socketpair(AF_INET, SOCK_STREAM, 0, ends), EOPNOTSUPP);

  if (InNetworkDomain()) {
    CheckRefused(AF_PACKET, SOCK_RAW, 0);
    CheckRefused(AF_PACKET, SOCK_DGRAM, 0);
    CheckRefused(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    CheckRefused(AF_NETLINK, SOCK_RAW, NETLINK_XFRM);
  }
  return 0;
}
