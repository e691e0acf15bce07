// SPDX-License-Identifier: Apache-2.0
// Edge-triggered epoll: an edge for each arrival, although the mask stays the same; EPOLLIN
// edges are not lost to EPOLLOUT ones; none without cause.
// tier: fast
// boot: shared
// variants: trap shim local
#include "epoll.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    for (bool stream : {true, false}) {
      Pair pair = stream ? TcpPair(family) : UdpPair(family);
      const Fd epoll(CHECK_OK(epoll_create1(EPOLL_CLOEXEC)));
      epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET, {}};
      CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.server, &event));
      CHECK_EQ(Wait(epoll, kSoon), EPOLLOUT);
      CHECK_EQ(Wait(epoll, 50), 0);

      // Unread data stays and the mask with it; each arrival is an edge of its own.
      for (int i = 0; i < 25; i++) {
        CHECK_EQ(send(pair.client, "x", 1, 0), 1);
        CHECK(Wait(epoll, kSoon) & EPOLLIN);
        if (i % 8 == 0) CHECK_EQ(Wait(epoll, 20), 0);
      }
      // Reading some makes no edge.
      char buffer[64];
      CHECK_EQ(recv(pair.server, buffer, 1, 0), 1);
      CHECK_EQ(Wait(epoll, 20), 0);
      // Asking again reports the present state.
      CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, pair.server, &event));
      CHECK_EQ(Wait(epoll, kSoon), EPOLLIN | EPOLLOUT);

      // Sleeping between the arrivals; drained in between as a server does.
      SetNonblocking(pair.server);
      for (int i = 0; i < 20; i++) {
        while (recv(pair.server, buffer, sizeof(buffer), 0) > 0) continue;
        CHECK_EQ(errno, EAGAIN);
        Thread waiting([&] { CHECK(Wait(epoll, kSoon) & EPOLLIN); });
        if (i % 2) WaitUntilAsleep(waiting.tid());
        CHECK_EQ(send(pair.client, "y", 1, 0), 1);
        waiting.Join();
      }
    }

    // Two watchers of one socket: edge and level.
    Pair tcp = TcpPair(family);
    const Fd edge(CHECK_OK(epoll_create1(0))), level(CHECK_OK(epoll_create1(0)));
    epoll_event event{EPOLLIN | EPOLLET, {}};
    CHECK_OK(epoll_ctl(edge, EPOLL_CTL_ADD, tcp.server, &event));
    event.events = EPOLLIN;
    CHECK_OK(epoll_ctl(level, EPOLL_CTL_ADD, tcp.server, &event));
    for (int i = 0; i < 5; i++) {
      SendAll(tcp.client, "z", 1);
      CHECK_EQ(Wait(edge, kSoon), EPOLLIN);
      CHECK_EQ(Wait(edge, 0), 0);
      CHECK_EQ(Wait(level, kSoon), EPOLLIN);
      CHECK_EQ(Wait(level, 0), EPOLLIN);
    }
  }
  return 0;
}
