// SPDX-License-Identifier: Apache-2.0
// 1,000 idle connections, descriptors beyond 1024 among them, cost no thread and slow nobody;
// each still works.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 90
#include <sys/epoll.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  constexpr int kConnections = 1000;
  RaiseFileLimit(2 * kConnections + 64);
  const Fd listener = Listening(AF_INET, 512);
  const Address address = NameOf(listener);
  const Fd epoll(CHECK_OK(epoll_create1(0)));
  std::vector<Pair> pairs;
  pairs.reserve(kConnections);
  for (int i = 0; i < kConnections; i++) {
    Pair pair;
    pair.client = Connected(address);
    pair.server = Fd(CHECK_OK(accept(listener, nullptr, nullptr)));
    epoll_event event{EPOLLIN, {.u32 = static_cast<uint32_t>(i)}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.server, &event));
    pairs.push_back(std::move(pair));
  }
  CHECK(pairs.back().server > 1024);
  epoll_event event;
  CHECK_EQ(epoll_wait(epoll, &event, 1, 100), 0);

  // Any of them wakes the one that waits for all.
  for (int i : {0, 1, 499, 500, 998, 999, 7, 333}) {
    Thread waiting([&] {
      CHECK_EQ(epoll_wait(epoll, &event, 1, kSoon), 1);
      CHECK_EQ(event.data.u32, i);
    });
    WaitUntilAsleep(waiting.tid());
    SendAll(pairs[i].client, "!", 1);
    waiting.Join();
    char byte;
    ReceiveAll(pairs[i].server, &byte, 1);
  }
  for (int i = 0; i < kConnections; i += 3) CheckAlive(pairs[i].client, pairs[i].server);

  // All at once.
  for (Pair& pair : pairs) SendAll(pair.client, "*", 1);
  int seen = 0;
  while (seen < kConnections) {
    epoll_event events[64];
    const int count = CHECK_OK(epoll_wait(epoll, events, 64, kSoon));
    CHECK(count > 0);
    for (int i = 0; i < count; i++) {
      char byte;
      ReceiveAll(pairs[events[i].data.u32].server, &byte, 1);
    }
    seen += count;
  }
  return 0;
}
