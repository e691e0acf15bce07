// SPDX-License-Identifier: Apache-2.0
// Calls that move no byte: a stream ignores them, a datagram socket sends and receives an empty
// datagram.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[8];
    CHECK_EQ(write(tcp.client, "", 0), 0);
    CHECK_EQ(send(tcp.client, "", 0, 0), 0);
    CHECK_FAILS(recv(tcp.server, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
    // read() of nothing returns at once, recv() of nothing waits for something.
    CHECK_EQ(read(tcp.server, buffer, 0), 0);
    CHECK_FAILS(recv(tcp.server, buffer, 0, MSG_DONTWAIT), EAGAIN);
    SendAll(tcp.client, "ab", 2);
    CHECK(Poll(tcp.server, POLLIN, kSoon) & POLLIN);
    CHECK_EQ(recv(tcp.server, buffer, 0, 0), 0);
    CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), 0), 2);

    Pair udp = UdpPair(family);
    CHECK_EQ(send(udp.client, "", 0, 0), 0);
    CHECK_EQ(send(udp.client, "x", 1, 0), 1);
    CHECK_EQ(recv(udp.server, buffer, sizeof(buffer), 0), 0);
    CHECK_EQ(recv(udp.server, buffer, sizeof(buffer), 0), 1);
    // An empty buffer takes the datagram and drops its bytes.
    CHECK_EQ(send(udp.client, "x", 1, 0), 1);
    CHECK_EQ(recv(udp.server, buffer, 0, 0), 0);
    CHECK_FAILS(recv(udp.server, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
  }
  return 0;
}
