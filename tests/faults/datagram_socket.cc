// SPDX-License-Identifier: Apache-2.0
// A UDP socket outlives its network domain: receiving waits, EAGAIN if it must not, sending fails with
// ENETDOWN; in the next domain it is bound and connected as it was, with the same options and multicast
// groups, and whoever waited gets the next datagram.
// tier: fast
// boot: shared
// variants: trap shim
// time: 150
#include "domain.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair pair = UdpPair(family);
    const Address client = NameOf(pair.client), server = NameOf(pair.server);
    SetOption(pair.server, SOL_SOCKET, SO_RCVBUF, 30000);
    SetOption(pair.client, SOL_SOCKET, SO_BROADCAST, 1);
    const Fd free = Bound(family, SOCK_DGRAM);
    const Address free_name = NameOf(free);
    CheckAlive(pair.client, pair.server);

    Fd member(CHECK_OK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
    const Address any = [] {
      Address address = Loopback(AF_INET);
      address.v4().sin_addr.s_addr = INADDR_ANY;
      return address;
    }();
    CHECK_OK(bind(member, any.get(), any.size));
    const uint16_t group_port = NameOf(member).port();
    ip_mreq left = {{inet_addr("239.1.2.2")}, {htonl(INADDR_LOOPBACK)}};
    ip_mreq group = {{inet_addr("239.1.2.3")}, {htonl(INADDR_LOOPBACK)}};
    CHECK_OK(setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &left, sizeof(left)));
    CHECK_OK(setsockopt(member, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)));
    CHECK_OK(setsockopt(member, IPPROTO_IP, IP_DROP_MEMBERSHIP, &left, sizeof(left)));

    char byte = 0;
    Thread waiting([&] { CHECK_EQ(recv(pair.server, &byte, 1, 0), 1); });
    WaitUntilAsleep(waiting.tid());

    Outage([&] {
      CHECK_FAILS(send(pair.client, "x", 1, 0), ENETDOWN);
      CHECK_FAILS(sendto(free, "x", 1, 0, server.get(), server.size), ENETDOWN);
      char none;
      CHECK_FAILS(recv(free, &none, 1, MSG_DONTWAIT), EAGAIN);
      CHECK_EQ(Poll(free, POLLIN | POLLOUT, 0), POLLOUT);
      CHECK_EQ(Option(free, SOL_SOCKET, SO_ERROR), 0);
      WaitUntilAsleep(waiting.tid());
      // Bounded waiting is bounded.
      timeval limit = {0, 200'000};
      CHECK_OK(setsockopt(free, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
      CHECK_FAILS(recv(free, &none, 1, 0), EAGAIN);
    });

    CHECK(NameOf(pair.client) == client);
    CHECK(NameOf(pair.server) == server);
    CHECK(PeerOf(pair.client) == server);
    CHECK(PeerOf(pair.server) == client);
    CHECK(NameOf(free) == free_name);
    CHECK_EQ(Option(pair.server, SOL_SOCKET, SO_RCVBUF), 60000);
    CHECK_EQ(Option(pair.client, SOL_SOCKET, SO_BROADCAST), 1);
    CHECK_EQ(send(pair.client, "y", 1, 0), 1);
    waiting.Join();
    CHECK_EQ(byte, 'y');
    CheckAlive(pair.client, pair.server);

    // The group that was left is not joined again.
    const Fd sender = Bound(AF_INET, SOCK_DGRAM);
    in_addr out = {htonl(INADDR_LOOPBACK)};
    CHECK_OK(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)));
    Address to = Loopback(AF_INET, group_port);
    to.v4().sin_addr = group.imr_multiaddr;
    CHECK_EQ(sendto(sender, "g", 1, 0, to.get(), to.size), 1);
    CHECK(Poll(member, POLLIN, kSoon) & POLLIN);
    CHECK_EQ(recv(member, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'g');
    CHECK_FAILS(setsockopt(member, IPPROTO_IP, IP_DROP_MEMBERSHIP, &left, sizeof(left)),
                EADDRNOTAVAIL);
  }
  return 0;
}
