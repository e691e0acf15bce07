// SPDX-License-Identifier: Apache-2.0
// SO_REUSEADDR and SO_REUSEPORT, IPV6_V6ONLY and IPv4-mapped addresses.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    // A server that restarts: its old connection lingers in TIME_WAIT.
    Fd listener(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    SetOption(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    const Address any_port = Loopback(family);
    CHECK_OK(bind(listener, any_port.get(), any_port.size));
    CHECK_OK(listen(listener, 5));
    const Address address = NameOf(listener);
    {
      const Fd client = Connected(address);
      Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
      server.Reset();
      char byte;
      CHECK_EQ(recv(client, &byte, 1, 0), 0);
    }
    listener.Reset();
    Fd next(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    CHECK_FAILS(bind(next, address.get(), address.size), EADDRINUSE);
    SetOption(next, SOL_SOCKET, SO_REUSEADDR, 1);
    CHECK_OK(bind(next, address.get(), address.size));
    CHECK_OK(listen(next, 5));
    // A live listener is not shared by SO_REUSEADDR.
    Fd other(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    SetOption(other, SOL_SOCKET, SO_REUSEADDR, 1);
    CHECK_FAILS(bind(other, address.get(), address.size), EADDRINUSE);

    // SO_REUSEPORT on all shares it.
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      Fd one(CHECK_OK(socket(family, type, 0))), two(CHECK_OK(socket(family, type, 0)));
      SetOption(one, SOL_SOCKET, SO_REUSEPORT, 1);
      Address any = Loopback(family);
      CHECK_OK(bind(one, any.get(), any.size));
      any = NameOf(one);
      CHECK_FAILS(bind(two, any.get(), any.size), EADDRINUSE);
      SetOption(two, SOL_SOCKET, SO_REUSEPORT, 1);
      CHECK_OK(bind(two, any.get(), any.size));
      if (type == SOCK_STREAM) {
        CHECK_OK(listen(one, 64));
        CHECK_OK(listen(two, 64));
        SetNonblocking(one);
        SetNonblocking(two);
        std::vector<Fd> clients;
        for (int i = 0; i < 16; i++) clients.push_back(Connected(any));
        int accepted = 0;
        for (const Fd* side : {&one, &two})
          while (Fd(accept(*side, nullptr, nullptr)) >= 0) accepted++;
        CHECK_EQ(accepted, 16);
      }
    }
  }

  // Two families on one port, and one socket for both.
  Fd v6(CHECK_OK(socket(AF_INET6, SOCK_STREAM, 0)));
  SetOption(v6, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  Address any = Loopback(AF_INET6);
  any.v6().sin6_addr = in6addr_any;
  CHECK_OK(bind(v6, any.get(), any.size));
  CHECK_OK(listen(v6, 4));
  const Fd client = Connected(Loopback(AF_INET, NameOf(v6).port()));
  Address peer;
  const Fd server(CHECK_OK(accept(v6, peer.get(), &peer.size)));
  CHECK_EQ(peer.family(), AF_INET6);
  CHECK(IN6_IS_ADDR_V4MAPPED(&peer.v6().sin6_addr));
  CheckAlive(client, server);

  Fd only(CHECK_OK(socket(AF_INET6, SOCK_STREAM, 0)));
  SetOption(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  any.v6().sin6_port = 0;
  CHECK_OK(bind(only, any.get(), any.size));
  CHECK_OK(listen(only, 4));
  const Fd v4(CHECK_OK(socket(AF_INET, SOCK_STREAM, 0)));
  const Address same = Loopback(AF_INET, NameOf(only).port());
  CHECK_FAILS(connect(v4, same.get(), same.size), ECONNREFUSED);
  return 0;
}
