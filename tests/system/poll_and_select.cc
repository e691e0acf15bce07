// SPDX-License-Identifier: Apache-2.0
// poll, ppoll, select and pselect over sockets, pipes and bad descriptors together: states,
// waking, time limits.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/select.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    Pair udp = UdpPair(family);
    const Fd listener = Listening(family);
    int pipe_ends[2];
    CHECK_OK(pipe(pipe_ends));
    const Fd pipe_read(pipe_ends[0]), pipe_write(pipe_ends[1]);

    pollfd all[] = {{tcp.server, POLLIN | POLLOUT, 0},
                    {udp.server, POLLIN | POLLOUT, 0},
                    {listener, POLLIN, 0},
                    {pipe_read, POLLIN, 0},
                    {-1, POLLIN, 0},
                    {1000, POLLIN, 0}};
    CHECK_EQ(poll(all, 6, 0), 3);
    CHECK_EQ(all[0].revents, POLLOUT);
    CHECK_EQ(all[1].revents, POLLOUT);
    CHECK_EQ(all[2].revents, 0);
    CHECK_EQ(all[3].revents, 0);
    CHECK_EQ(all[4].revents, 0);
    CHECK_EQ(all[5].revents, POLLNVAL);

    // Nothing ready: the time limit counts.
    all[0].events = all[1].events = POLLIN;
    int64_t start = Milliseconds();
    CHECK_EQ(poll(all, 4, 120), 0);
    CHECK(Milliseconds() - start >= 119);

    // Each of them wakes the sleeping poll.
    const auto wake = [&](int index, auto cause) {
      Thread sleeper([&] {
        CHECK_EQ(poll(all, 4, kSoon), 1);
        for (int i = 0; i < 4; i++) CHECK_EQ(all[i].revents, i == index ? POLLIN : 0);
      });
      WaitUntilAsleep(sleeper.tid());
      cause();
    };
    char byte;
    wake(0, [&] { SendAll(tcp.client, "x", 1); });
    CHECK_EQ(read(tcp.server, &byte, 1), 1);
    wake(1, [&] { CHECK_EQ(send(udp.client, "x", 1, 0), 1); });
    CHECK_EQ(read(udp.server, &byte, 1), 1);
    wake(2, [&] { Connected(NameOf(listener)); });
    Fd(CHECK_OK(accept(listener, nullptr, nullptr)));
    wake(3, [&] { CHECK_EQ(write(pipe_write, "x", 1), 1); });
    CHECK_EQ(read(pipe_read, &byte, 1), 1);

    // select.
    fd_set read_set, write_set;
    const auto fill = [&] {
      FD_ZERO(&read_set);
      FD_ZERO(&write_set);
      for (int fd : {int(tcp.server), int(udp.server), int(listener), int(pipe_read)})
        FD_SET(fd, &read_set);
      FD_SET(tcp.server, &write_set);
    };
    fill();
    timeval no_time{0, 0};
    CHECK_EQ(select(FD_SETSIZE, &read_set, &write_set, nullptr, &no_time), 1);
    CHECK(FD_ISSET(tcp.server, &write_set) && !FD_ISSET(tcp.server, &read_set));
    fill();
    timeval limit{0, 100'000};
    start = Milliseconds();
    CHECK_EQ(select(FD_SETSIZE, &read_set, nullptr, nullptr, &limit), 0);
    CHECK(Milliseconds() - start >= 99);
    Thread selecting([&] {
      fill();
      CHECK_EQ(pselect(FD_SETSIZE, &read_set, nullptr, nullptr, nullptr, nullptr), 1);
      CHECK(FD_ISSET(udp.server, &read_set));
    });
    WaitUntilAsleep(selecting.tid());
    CHECK_EQ(send(udp.client, "x", 1, 0), 1);
    selecting.Join();

    // The end of the stream, and a reset.
    tcp.client.Reset();
    CHECK_EQ(Poll(tcp.server, POLLIN | POLLRDHUP, kSoon), POLLIN | POLLRDHUP);
    CHECK_EQ(write(tcp.server, "x", 1), 1);
    CHECK((Poll(tcp.server, POLLERR, kSoon) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
  }
  return 0;
}
