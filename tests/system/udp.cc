// SPDX-License-Identifier: Apache-2.0
// UDP sockets: connecting, filtering, disconnecting, refusal by ICMP, limits of a datagram, its
// boundaries.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    const Fd server = Bound(family, SOCK_DGRAM), stranger = Bound(family, SOCK_DGRAM);
    const Address to_server = NameOf(server);
    Fd client(CHECK_OK(socket(family, SOCK_DGRAM, 0)));
    char buffer[65536];

    // connect() binds and filters by source.
    CHECK_OK(connect(client, to_server.get(), to_server.size));
    const Address to_client = NameOf(client);
    CHECK(to_client.port() != 0);
    CHECK(PeerOf(client) == to_server);
    CHECK_EQ(sendto(stranger, "no", 2, 0, to_client.get(), to_client.size), 2);
    CHECK_EQ(sendto(server, "yes", 3, 0, to_client.get(), to_client.size), 3);
    CHECK_EQ(recv(client, buffer, sizeof(buffer), 0), 3);
    CHECK_FAILS(recv(client, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
    // A connected socket may still name a destination.
    const Address to_stranger = NameOf(stranger);
    CHECK_EQ(sendto(client, "hi", 2, 0, to_stranger.get(), to_stranger.size), 2);
    CHECK_EQ(recv(stranger, buffer, sizeof(buffer), 0), 2);

    // AF_UNSPEC disconnects.
    sockaddr unspecified = {};
    CHECK_OK(connect(client, &unspecified, sizeof(unspecified)));
    Address none;
    CHECK_FAILS(getpeername(client, none.get(), &none.size), ENOTCONN);
    CHECK_FAILS(send(client, "x", 1, 0), EDESTADDRREQ);

    // A closed port refuses: the error comes with the next call, once.
    Fd lonely = Connected(NameOf(Bound(family, SOCK_DGRAM)), SOCK_DGRAM);
    CHECK_EQ(send(lonely, "x", 1, 0), 1);
    CHECK(Poll(lonely, POLLIN, kSoon) & POLLERR);
    CHECK_FAILS(recv(lonely, buffer, 1, MSG_DONTWAIT), ECONNREFUSED);
    CHECK_FAILS(recv(lonely, buffer, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(send(lonely, "x", 1, 0), 1);
    CHECK(Poll(lonely, 0, kSoon) & POLLERR);
    CHECK_EQ(Option(lonely, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    CHECK_EQ(send(lonely, "x", 1, 0), 1);
    CHECK(Poll(lonely, 0, kSoon) & POLLERR);
    CHECK_FAILS(send(lonely, "x", 1, 0), ECONNREFUSED);

    // The largest datagram, and one byte more.
    const size_t most = family == AF_INET ? 65507 : 65527;
    Pair pair = UdpPair(family);
    SetOption(pair.server, SOL_SOCKET, SO_RCVBUF, 400'000);
    const auto bytes = Pattern(most + 1, 3);
    CHECK_FAILS(send(pair.client, bytes.data(), most + 1, 0), EMSGSIZE);
    CHECK_EQ(send(pair.client, bytes.data(), most, 0), most);
    CHECK_EQ(recv(pair.server, buffer, sizeof(buffer), 0), most);
    CHECK(memcmp(buffer, bytes.data(), most) == 0);

    // One call, one datagram, in order.
    for (int i = 0; i < 20; i++) CHECK_EQ(send(pair.client, bytes.data(), i, 0), i);
    for (int i = 0; i < 20; i++) CHECK_EQ(recv(pair.server, buffer, sizeof(buffer), 0), i);

    // MSG_MORE joins what follows into one datagram.
    CHECK_EQ(send(pair.client, "ab", 2, MSG_MORE), 2);
    CHECK_EQ(send(pair.client, "cd", 2, 0), 2);
    CHECK_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 4);

    // shutdown of a datagram socket ends its waiting receiver.
    Thread receiver([&] { CHECK_EQ(recv(pair.server, buffer, sizeof(buffer), 0), 0); });
    WaitUntilAsleep(receiver.tid());
    CHECK_OK(shutdown(pair.server, SHUT_RD));
  }
  const Fd sender(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
  Address everybody = Loopback(AF_INET, 9);
  everybody.v4().sin_addr.s_addr = INADDR_BROADCAST;
  errno = 0;
  if (sendto(sender, "x", 1, 0, everybody.get(), everybody.size) < 0)
    CHECK(errno == EACCES || errno == ENETUNREACH);
  else
    FAIL("a broadcast was sent without SO_BROADCAST");
  return 0;
}
