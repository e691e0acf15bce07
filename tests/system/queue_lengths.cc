// SPDX-License-Identifier: Apache-2.0
// FIONREAD and SIOCOUTQ tell what waits to be read and to be acknowledged; SO_RCVLOWAT delays
// readability.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/sockios.h>

#include "testing.h"

using namespace vos::testing;

static int Ask(int fd, unsigned long request) {
  int value = -1;
  CHECK_OK(ioctl(fd, request, &value));
  return value;
}

static void AwaitQueued(int fd, int expected) {
  for (const int64_t end = Milliseconds() + kSoon; Ask(fd, FIONREAD) != expected;) {
    if (Milliseconds() > end) FAIL("FIONREAD is %d, not %d", Ask(fd, FIONREAD), expected);
    Sleep(1);
  }
}

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[5000];
    CHECK_EQ(Ask(tcp.server, FIONREAD), 0);
    SendAll(tcp.client, buffer, 4500);
    AwaitQueued(tcp.server, 4500);
    ReceiveAll(tcp.server, buffer, 500);
    CHECK_EQ(Ask(tcp.server, FIONREAD), 4000);
    ReceiveAll(tcp.server, buffer, 4000);
    CHECK_EQ(Ask(tcp.server, FIONREAD), 0);
    for (const int64_t end = Milliseconds() + kSoon; Ask(tcp.client, SIOCOUTQ) != 0; Sleep(1))
      CHECK(Milliseconds() < end);

    SetOption(tcp.server, SOL_SOCKET, SO_RCVLOWAT, 100);
    CHECK_EQ(Option(tcp.server, SOL_SOCKET, SO_RCVLOWAT), 100);
    SendAll(tcp.client, buffer, 99);
    AwaitQueued(tcp.server, 99);
    CHECK_EQ(Poll(tcp.server, POLLIN, 50), 0);
    SendAll(tcp.client, buffer, 1);
    CHECK_EQ(Poll(tcp.server, POLLIN, kSoon), POLLIN);

    // Of datagrams: the next one alone.
    Pair udp = UdpPair(family);
    CHECK_EQ(Ask(udp.server, FIONREAD), 0);
    CHECK_EQ(send(udp.client, buffer, 70, 0), 70);
    CHECK_EQ(send(udp.client, buffer, 30, 0), 30);
    AwaitQueued(udp.server, 70);
    CHECK_EQ(recv(udp.server, buffer, 10, 0), 10);
    AwaitQueued(udp.server, 30);

    const Fd listener = Listening(family);
    int value;
    CHECK_FAILS(ioctl(listener, FIONREAD, &value), EINVAL);
    CHECK_FAILS(ioctl(tcp.server, 0xdead, &value), ENOTTY);
  }
  return 0;
}
