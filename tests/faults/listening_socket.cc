// SPDX-License-Identifier: Apache-2.0
// A listening socket outlives its network domain: accept keeps waiting, EAGAIN if it must not, poll and
// epoll stay silent; in the next domain it has the same address, the port the kernel chose included, and
// the same options, and whoever waited is served. So does one that is shared with another process.
// tier: fast
// boot: shared
// variants: trap shim
// time: 150
#include <sys/epoll.h>

#include "domain.h"

using namespace vos::testing;

int main() {
  Fd listener[2], quiet[2];
  Address address[2], quiet_address[2];
  for (int i = 0; i < 2; ++i) {
    const int family = kFamilies[i];
    listener[i] = Fd(CHECK_OK(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    SetOption(listener[i], SOL_SOCKET, SO_REUSEADDR, 1);
    SetOption(listener[i], SOL_SOCKET, SO_RCVBUF, 20000);
    SetOption(listener[i], IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(listener[i], IPPROTO_TCP, TCP_KEEPIDLE, 77);
    if (family == AF_INET6) SetOption(listener[i], IPPROTO_IPV6, IPV6_V6ONLY, 1);
    // The wildcard address and a port of the kernel's choice.
    address[i] = Loopback(family);
    if (family == AF_INET) address[i].v4().sin_addr.s_addr = INADDR_ANY;
    if (family == AF_INET6) address[i].v6().sin6_addr = in6addr_any;
    CHECK_OK(bind(listener[i], address[i].get(), address[i].size));
    // Only while binding.
    SetOption(listener[i], SOL_SOCKET, SO_REUSEADDR, 0);
    CHECK_OK(listen(listener[i], 64));
    address[i] = NameOf(listener[i]);
    // Listening alone binds, too.
    quiet[i] = Fd(CHECK_OK(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    CHECK_OK(listen(quiet[i], 5));
    quiet_address[i] = NameOf(quiet[i]);
    SetNonblocking(quiet[i]);
  }
  const Fd lost = Connected(Loopback(AF_INET, address[0].port()));

  const Fd epoll(CHECK_OK(epoll_create1(EPOLL_CLOEXEC)));
  epoll_event edge = {EPOLLIN | EPOLLET, {.u32 = 7}};
  CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, quiet[0], &edge));
  const pid_t child = Fork([&] {
    const Fd server(CHECK_OK(accept(listener[1], nullptr, nullptr)));
    SendAll(server, "c", 1);
  });
  const Fd stale(CHECK_OK(accept(listener[0], nullptr, nullptr)));
  Fd accepted;
  std::atomic<bool> answered = false;
  Thread waiting([&] {
    accepted = Fd(CHECK_OK(accept(listener[0], nullptr, nullptr)));
    answered = true;
  });
  WaitUntilAsleep(waiting.tid());
  WaitUntilAsleep(child);

  Outage([&] {
    for (int i = 0; i < 2; ++i) {
      CHECK_FAILS(accept(quiet[i], nullptr, nullptr), EAGAIN);
      CHECK_EQ(Poll(quiet[i], POLLIN | POLLOUT, 0), 0);
    }
    epoll_event event;
    CHECK_EQ(epoll_wait(epoll, &event, 1, 300), 0);
    CHECK(!answered);
    WaitUntilAsleep(waiting.tid());
    WaitUntilAsleep(child);
    char byte;
    CHECK_FAILS(recv(stale, &byte, 1, 0), ECONNRESET);
  });

  CHECK(!answered);
  for (int i = 0; i < 2; ++i) {
    const int family = kFamilies[i];
    CHECK(NameOf(listener[i]) == address[i]);
    CHECK(NameOf(quiet[i]) == quiet_address[i]);
    CHECK_EQ(Option(listener[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
    CHECK_EQ(Option(listener[i], SOL_SOCKET, SO_REUSEADDR), 0);
    CHECK_EQ(Option(listener[i], SOL_SOCKET, SO_RCVBUF), 40000);
    CHECK_EQ(Option(listener[i], IPPROTO_TCP, TCP_KEEPIDLE), 77);
    CHECK_EQ(Option(listener[i], IPPROTO_IP, IP_FREEBIND), 0);
    CHECK_FAILS(accept(quiet[i], nullptr, nullptr), EAGAIN);
    const Fd client = Connected(Loopback(family, quiet_address[i].port()));
    CHECK(Poll(quiet[i], POLLIN, kSoon) & POLLIN);
    if (i == 0) {
      epoll_event event;
      CHECK_EQ(epoll_wait(epoll, &event, 1, kSoon), 1);
      CHECK_EQ(event.data.u32, 7);
    }
    const Fd server(CHECK_OK(accept(quiet[i], nullptr, nullptr)));
    CheckAlive(client, server);
  }
  const Fd client = Connected(Loopback(AF_INET, address[0].port()));
  waiting.Join();
  CheckAlive(client, accepted);
  CHECK_EQ(Option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
  const Fd other = Connected(Loopback(AF_INET6, address[1].port()));
  char byte;
  ReceiveAll(other, &byte, 1);
  CHECK_EQ(byte, 'c');
  Join(child);
  return 0;
}
