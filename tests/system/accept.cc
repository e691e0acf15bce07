// SPDX-License-Identifier: Apache-2.0
// accept() and accept4(): addresses, flags, order, blocking and not, errors.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    const Fd listener = Listening(family);
    const Address address = NameOf(listener);
    CHECK_EQ(Option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);

    // The peer's address is that of the client, truncated to the space given, with its full length.
    Fd client = Connected(address);
    Address peer;
    Fd server(CHECK_OK(accept(listener, peer.get(), &peer.size)));
    CHECK(peer == NameOf(client));
    CHECK(PeerOf(server) == peer);
    CHECK(NameOf(server) == PeerOf(client));
    CHECK_EQ(fcntl(server, F_GETFD), 0);
    CHECK(!(fcntl(server, F_GETFL) & O_NONBLOCK));
    CHECK_EQ(Option(server, SOL_SOCKET, SO_ACCEPTCONN), 0);
    CheckAlive(client, server);

    client = Connected(address);
    Address shortened;
    memset(&shortened.storage, 0x5a, sizeof(shortened.storage));
    shortened.size = 4;
    server.Reset(CHECK_OK(
        accept4(listener, shortened.get(), &shortened.size, SOCK_NONBLOCK | SOCK_CLOEXEC)));
    CHECK_EQ(shortened.size, peer.size);
    CHECK_EQ(shortened.family(), family);
    CHECK_EQ(reinterpret_cast<char*>(&shortened.storage)[4], 0x5a);
    CHECK_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(server, F_GETFL) & O_NONBLOCK);
    char byte;
    CHECK_FAILS(recv(server, &byte, 1, 0), EAGAIN);

    // A non-blocking listener does not make the accepted socket non-blocking.
    SetNonblocking(listener);
    CHECK_FAILS(accept(listener, nullptr, nullptr), EAGAIN);
    client = Connected(address);
    CHECK(Poll(listener, POLLIN, kSoon) & POLLIN);
    server.Reset(CHECK_OK(accept(listener, nullptr, nullptr)));
    CHECK(!(fcntl(server, F_GETFL) & O_NONBLOCK));
    SetNonblocking(listener, false);

    // In the order of connecting.
    const Fd one = Connected(address), two = Connected(address), three = Connected(address);
    for (const Fd* expected : {&one, &two, &three}) {
      Address from;
      const Fd next(CHECK_OK(accept(listener, from.get(), &from.size)));
      CHECK(from == NameOf(*expected));
    }

    // A blocked accept ends with a connection.
    Thread late([&] { server.Reset(CHECK_OK(accept(listener, nullptr, nullptr))); });
    WaitUntilAsleep(late.tid());
    client = Connected(address);
    late.Join();
    CheckAlive(client, server);

    CHECK_FAILS(accept4(listener, nullptr, nullptr, 0x40), EINVAL);
    CHECK_FAILS(accept(client, nullptr, nullptr), EINVAL);
    const Fd datagram = Bound(family, SOCK_DGRAM);
    CHECK_FAILS(listen(datagram, 1), EOPNOTSUPP);
    CHECK_FAILS(accept(datagram, nullptr, nullptr), EOPNOTSUPP);
    CHECK_FAILS(listen(client, 1), EINVAL);
    char unread;
    CHECK_FAILS(recv(listener, &unread, 1, 0), ENOTCONN);
  }
  return 0;
}
