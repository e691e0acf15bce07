// SPDX-License-Identifier: Apache-2.0
// dup, dup2, dup3, F_DUPFD: copies are one socket; closing one leaves the others; closing while
// a call blocks.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char byte;
    Fd copies[] = {Fd(CHECK_OK(dup(tcp.server))), Fd(CHECK_OK(fcntl(tcp.server, F_DUPFD, 50))),
                   Fd(CHECK_OK(fcntl(tcp.server, F_DUPFD_CLOEXEC, 60))),
                   Fd(CHECK_OK(dup3(tcp.server, 77, O_CLOEXEC)))};
    CHECK(copies[1] >= 50);
    CHECK_EQ(copies[3], 77);
    CHECK_EQ(fcntl(copies[2], F_GETFD), FD_CLOEXEC);
    CHECK_FAILS(dup3(tcp.server, tcp.server, 0), EINVAL);
    CHECK_EQ(dup2(tcp.server, tcp.server), tcp.server);
    for (int i = 0; i < 40; i++) {
      SendAll(tcp.client, "0123", 4);
      for (const Fd& copy : copies) {
        CHECK_EQ(recv(copy, &byte, 1, 0), 1);
        CHECK_EQ(byte, '0' + (&copy - copies));
      }
    }
    // The last close ends the connection, none before.
    tcp.server.Reset();
    for (int i = 0; i < 3; i++) copies[i].Reset();
    CheckAlive(tcp.client, copies[3]);
    copies[3].Reset();
    CHECK_EQ(recv(tcp.client, &byte, 1, 0), 0);

    // dup2 over an open connection closes that one and gives its number to the other.
    Pair one = TcpPair(family), two = TcpPair(family);
    for (int i = 0; i < 40; i++) CheckAlive(one.client, one.server);
    const int number = one.server;
    CHECK_EQ(dup2(two.server, number), number);
    CHECK_EQ(recv(one.client, &byte, 1, 0), 0);
    CheckAlive(two.client, one.server);
    CheckAlive(two.client, two.server);

    // Closing under a blocked call: the call goes on, on what it was made for; the number is free.
    Pair blocked = TcpPair(family);
    const Fd keep(CHECK_OK(dup(blocked.server)));
    ssize_t got = -2;
    Thread receiver([&] { got = recv(blocked.server, &byte, 1, 0); });
    WaitUntilAsleep(receiver.tid());
    blocked.server.Reset();
    Sleep(30);
    SendAll(blocked.client, "k", 1);
    receiver.Join();
    CHECK_EQ(got, 1);
    CHECK_EQ(byte, 'k');

    // Closed numbers are closed.
    const int gone = blocked.client;
    blocked.client.Reset();
    CHECK_FAILS(send(gone, "x", 1, MSG_NOSIGNAL), EBADF);
    CHECK_FAILS(recv(gone, &byte, 1, 0), EBADF);
    CHECK_FAILS(write(gone, "x", 1), EBADF);
    CHECK_FAILS(close(gone), EBADF);
    CHECK_EQ(recv(keep, &byte, 1, 0), 0);
  }
  return 0;
}
