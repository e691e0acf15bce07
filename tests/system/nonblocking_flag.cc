// SPDX-License-Identifier: Apache-2.0
// O_NONBLOCK belongs to the open file description: switched by fcntl or FIONBIO, on or off,
// every dup and every process that has it sees it with its next call.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static void SwitchByIoctl(int fd, bool on) {
  int value = on;
  CHECK_OK(ioctl(fd, FIONBIO, &value));
  CHECK_EQ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, on);
}

int main() {
  for (int family : kFamilies) {
    for (bool stream : {true, false}) {
      Pair pair = stream ? TcpPair(family) : UdpPair(family);
      const Fd copy(CHECK_OK(dup(pair.server)));
      char byte = 0;
      // Earn the fast path, then switch to and fro under it.
      for (int i = 0; i < 40; i++) {
        CHECK_EQ(send(pair.client, "x", 1, 0), 1);
        CHECK_EQ(read(pair.server, &byte, 1), 1);
      }
      for (int round = 0; round < 6; round++) {
        round % 2 ? SwitchByIoctl(copy, true) : SetNonblocking(pair.server, true);
        CHECK_FAILS(recv(copy, &byte, 1, 0), EAGAIN);
        CHECK_FAILS(read(pair.server, &byte, 1), EAGAIN);
        Join(Fork([&] { CHECK_FAILS(recv(pair.server, &byte, 1, 0), EAGAIN); }));

        round % 2 ? SwitchByIoctl(pair.server, false) : SetNonblocking(copy, false);
        Thread blocked([&] { CHECK_EQ(recv(copy, &byte, 1, 0), 1); });
        WaitUntilAsleep(blocked.tid());
        CHECK_EQ(send(pair.client, "y", 1, 0), 1);
      }

      // In a child's hands.
      Join(Fork([&] { SetNonblocking(pair.server); }));
      CHECK(fcntl(copy, F_GETFL) & O_NONBLOCK);
      CHECK_FAILS(recv(copy, &byte, 1, 0), EAGAIN);
    }

    const Fd listener = Listening(family);
    const Fd copy(CHECK_OK(dup(listener)));
    SwitchByIoctl(copy, true);
    CHECK_FAILS(accept(listener, nullptr, nullptr), EAGAIN);
    SwitchByIoctl(listener, false);
    Thread blocked([&] { Fd(CHECK_OK(accept(copy, nullptr, nullptr))); });
    WaitUntilAsleep(blocked.tid());
    Connected(NameOf(listener));
  }
  return 0;
}
