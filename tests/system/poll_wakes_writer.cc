// SPDX-License-Identifier: Apache-2.0
// A thread that waits for room, or for a connection to be made, is woken by it; one that waits
// for one thing is not kept asleep by the other happening first.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/epoll.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    SetNonblocking(tcp.client);
    const auto bytes = Pattern(1 << 16, 1);
    const size_t queued = FillUp(tcp.client, bytes);

    // One waits for input, the other for room, on the same socket, by poll and by epoll.
    const Fd epoll(CHECK_OK(epoll_create1(0)));
    epoll_event event{EPOLLOUT, {}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.client, &event));
    std::atomic<bool> readable = false;
    Thread reader([&] {
      CHECK_EQ(Poll(tcp.client, POLLIN, kSoon) & POLLIN, POLLIN);
      readable = true;
    });
    Thread writer([&] { CHECK_EQ(Poll(tcp.client, POLLOUT, kSoon), POLLOUT); });
    Thread epolling([&] {
      epoll_event seen;
      CHECK_EQ(epoll_wait(epoll, &seen, 1, kSoon), 1);
      CHECK_EQ(seen.events, EPOLLOUT);
    });
    for (Thread* one : {&reader, &writer, &epolling}) WaitUntilAsleep(one->tid());
    std::vector<uint8_t> received(queued);
    ReceiveAll(tcp.server, received.data(), queued);
    writer.Join();
    epolling.Join();
    CHECK(!readable);
    SendAll(tcp.server, "x", 1);
    reader.Join();

    // The other way round: input first.
    FillUp(tcp.client, bytes);
    char byte;
    CHECK_EQ(recv(tcp.client, &byte, 1, 0), 1);
    Thread room([&] { CHECK_EQ(Poll(tcp.client, POLLOUT, kSoon) & POLLOUT, POLLOUT); });
    WaitUntilAsleep(room.tid());
    SendAll(tcp.server, "y", 1);
    Sleep(20);
    std::vector<uint8_t> sink(1 << 20);
    while (Poll(tcp.server, POLLIN, 200) & POLLIN)
      CHECK_OK(recv(tcp.server, sink.data(), sink.size(), 0));
  }
  return 0;
}
