// SPDX-License-Identifier: Apache-2.0
// Urgent data: MSG_OOB, the mark, SO_OOBINLINE, POLLPRI and SIGURG.
// tier: fast
// boot: shared
// variants: trap shim local
#include <asm/sockios.h>
#include <sys/epoll.h>

#include "testing.h"

using namespace vos::testing;

static std::atomic<int> urgent = 0;

static int AtMark(int fd) {
  int at = -1;
  CHECK_OK(ioctl(fd, SIOCATMARK, &at));
  return at;
}

int main() {
  Handle(SIGURG, [](int) { urgent++; });
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[16];
    CHECK_FAILS(recv(tcp.server, buffer, 1, MSG_OOB), EINVAL);
    CHECK_OK(fcntl(tcp.server, F_SETOWN, getpid()));
    const int before = urgent;
    const Fd epoll(CHECK_OK(epoll_create1(0)));
    epoll_event event{EPOLLPRI, {}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, tcp.server, &event));

    SendAll(tcp.client, "ab", 2);
    CHECK_EQ(send(tcp.client, "!", 1, MSG_OOB), 1);
    SendAll(tcp.client, "cd", 2);
    int count = -1;
    for (const int64_t end = Milliseconds() + kSoon; count < 0 && Milliseconds() < end;)
      count = epoll_wait(epoll, &event, 1, kSoon);  // SIGURG may interrupt it
    CHECK_EQ(count, 1);
    CHECK_EQ(event.events, EPOLLPRI);
    while (Poll(tcp.server, POLLIN, kSoon) != POLLIN) continue;
    for (const int64_t end = Milliseconds() + kSoon; urgent == before && Milliseconds() < end;)
      Sleep(1);
    CHECK(urgent > before);

    // Reading stops at the mark; the urgent byte comes by MSG_OOB, once.
    CHECK_EQ(AtMark(tcp.server), 0);
    CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), 0), 2);
    CHECK_EQ(AtMark(tcp.server), 1);
    CHECK_EQ(recv(tcp.server, buffer, 1, MSG_OOB | MSG_PEEK), 1);
    CHECK_EQ(recv(tcp.server, buffer, 1, MSG_OOB), 1);
    CHECK_EQ(buffer[0], '!');
    CHECK_FAILS(recv(tcp.server, buffer, 1, MSG_OOB), EINVAL);
    ReceiveAll(tcp.server, buffer, 2);
    CHECK(memcmp(buffer, "cd", 2) == 0);

    SetOption(tcp.server, SOL_SOCKET, SO_OOBINLINE, 1);
    CHECK_EQ(send(tcp.client, "e?", 2, MSG_OOB), 2);
    SendAll(tcp.client, "f", 1);
    char inline_bytes[3];
    for (size_t got = 0; got < 3;) {
      const ssize_t piece = recv(tcp.server, inline_bytes + got, 3 - got, 0);
      if (piece < 0) CHECK_EQ(errno, EINTR);
      got += piece > 0 ? piece : 0;
    }
    CHECK(memcmp(inline_bytes, "e?f", 3) == 0);
  }
  Pair udp = UdpPair(AF_INET);
  CHECK_FAILS(send(udp.client, "x", 1, MSG_OOB), EOPNOTSUPP);
  return 0;
}
