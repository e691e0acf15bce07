// SPDX-License-Identifier: Apache-2.0
// Level-triggered epoll: ready as long as there is something; change and removal of interest;
// what close does.
// tier: fast
// boot: shared
// variants: trap shim local
#include "epoll.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    const Fd epoll(CHECK_OK(epoll_create1(EPOLL_CLOEXEC)));
    epoll_event event{EPOLLIN, {.u64 = 7}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.server, &event));
    CHECK_FAILS(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.server, &event), EEXIST);
    CHECK_EQ(Wait(epoll, 0), 0);

    SendAll(tcp.client, "ab", 2);
    for (int i = 0; i < 3; i++) CHECK_EQ(Wait(epoll, kSoon), EPOLLIN);
    char byte;
    CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
    CHECK_EQ(Wait(epoll, kSoon), EPOLLIN);
    CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
    CHECK_EQ(Wait(epoll, 50), 0);

    // The interest changes while somebody waits.
    Thread waiting([&] { CHECK_EQ(Wait(epoll, kSoon), EPOLLOUT); });
    WaitUntilAsleep(waiting.tid());
    event.events = EPOLLOUT;
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, tcp.server, &event));
    waiting.Join();
    event.events = EPOLLIN | EPOLLRDHUP;
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, tcp.server, &event));
    CHECK_EQ(Wait(epoll, 0), 0);

    // Waking, many times, with nothing lost.
    for (int i = 0; i < 30; i++) {
      Thread receiver([&] {
        CHECK_EQ(Wait(epoll, kSoon), EPOLLIN);
        CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
        CHECK_EQ(byte, i);
      });
      if (i % 3 == 0) WaitUntilAsleep(receiver.tid());
      const char value = static_cast<char>(i);
      SendAll(tcp.client, &value, 1);
    }

    CHECK_OK(shutdown(tcp.client, SHUT_WR));
    CHECK_EQ(Wait(epoll, kSoon), EPOLLIN | EPOLLRDHUP);
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_DEL, tcp.server, nullptr));
    CHECK_FAILS(epoll_ctl(epoll, EPOLL_CTL_DEL, tcp.server, nullptr), ENOENT);
    CHECK_EQ(Wait(epoll, 20), 0);

    // The registration lives as long as the open file description.
    event.events = EPOLLIN;
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.server, &event));
    Fd copy(CHECK_OK(dup(tcp.server)));
    tcp.server.Reset();
    CHECK_EQ(Wait(epoll, kSoon), EPOLLIN);
    copy.Reset();
    CHECK_EQ(Wait(epoll, 20), 0);

    // An epoll in an epoll, beside a pipe.
    Pair other = TcpPair(family);
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    const Fd pipe_read(ends[0]), pipe_write(ends[1]);
    const Fd outer(CHECK_OK(epoll_create1(EPOLL_CLOEXEC)));
    event = {EPOLLIN, {.u64 = 1}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, other.server, &event));
    CHECK_OK(epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event));
    event.data.u64 = 2;
    CHECK_OK(epoll_ctl(outer, EPOLL_CTL_ADD, pipe_read, &event));
    Thread nested([&] {
      epoll_event seen;
      CHECK_EQ(epoll_wait(outer, &seen, 1, kSoon), 1);
      CHECK_EQ(seen.data.u64, 1);
    });
    WaitUntilAsleep(nested.tid());
    SendAll(other.client, "n", 1);
    nested.Join();
    CHECK_EQ(write(pipe_write, "p", 1), 1);
    epoll_event both[3];
    CHECK_EQ(epoll_wait(outer, both, 3, kSoon), 2);
  }
  return 0;
}
