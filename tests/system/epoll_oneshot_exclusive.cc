// SPDX-License-Identifier: Apache-2.0
// EPOLLONESHOT reports once until armed anew; EPOLLEXCLUSIVE watchers of one listener: every
// connection is taken by somebody, and not everybody is woken for it.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include <sys/epoll.h>

#include "testing.h"

using namespace vos::testing;

static void CheckOneshot(int family) {
  Pair tcp = TcpPair(family);
  const Fd epoll(CHECK_OK(epoll_create1(0)));
  epoll_event event{EPOLLIN | EPOLLONESHOT, {}}, seen;
  CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.server, &event));
  for (int i = 0; i < 10; i++) {
    SendAll(tcp.client, "x", 1);
    CHECK_EQ(epoll_wait(epoll, &seen, 1, kSoon), 1);
    SendAll(tcp.client, "x", 1);
    CHECK_EQ(epoll_wait(epoll, &seen, 1, 10), 0);
    // Armed with something there: at once.
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, tcp.server, &event));
    CHECK_EQ(epoll_wait(epoll, &seen, 1, kSoon), 1);
    char buffer[2];
    ReceiveAll(tcp.server, buffer, 2);
    // Armed with nothing there: with the next arrival.
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, tcp.server, &event));
    CHECK_EQ(epoll_wait(epoll, &seen, 1, 0), 0);
  }
}

static void CheckExclusive(int family) {
  constexpr int kThreads = 6, kConnections = 40;
  const Fd listener = Listening(family);
  SetNonblocking(listener);
  std::atomic<int> accepted = 0, woken = 0;
  std::atomic<bool> stop = false;
  const auto serve = [&] {
    const Fd epoll(CHECK_OK(epoll_create1(0)));
    epoll_event event{EPOLLIN | EPOLLEXCLUSIVE, {}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event));
    while (!stop) {
      if (epoll_wait(epoll, &event, 1, 100) != 1) continue;
      woken++;
      while (Fd(accept(listener, nullptr, nullptr)) >= 0) accepted++;
    }
  };
  {
    Thread threads[kThreads] = {Thread(serve), Thread(serve), Thread(serve),
                                Thread(serve), Thread(serve), Thread(serve)};
    for (Thread& thread : threads) WaitUntilAsleep(thread.tid());
    for (int i = 0; i < kConnections; i++) {
      Connected(NameOf(listener));
      for (const int64_t end = Milliseconds() + kSoon; accepted <= i; Sleep(1))
        CHECK(Milliseconds() < end);
    }
    stop = true;
  }
  CHECK_EQ(accepted, kConnections);
  // Linux wakes one or a few; waking all six each time is what EPOLLEXCLUSIVE is there to prevent.
  if (woken > kConnections * (kThreads - 1))
    FAIL("%d wakes for %d connections", woken.load(), kConnections);
}

int main() {
  for (int family : kFamilies) {
    CheckOneshot(family);
    CheckExclusive(family);
  }
  return 0;
}
