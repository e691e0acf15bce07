// SPDX-License-Identifier: Apache-2.0
// exec keeps sockets without CLOEXEC, closes those with it, and starts the new program without
// anything of the old.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main(int count, char** arguments) {
  if (count == 3) {
    // The new program: the first number works, the second is closed.
    const int kept = atoi(arguments[1]), closed = atoi(arguments[2]);
    CHECK_FAILS(fcntl(closed, F_GETFD), EBADF);
    CHECK_FAILS(send(closed, "x", 1, MSG_NOSIGNAL), EBADF);
    char buffer[8];
    for (int i = 0; i < 40; i++) {
      ReceiveAll(kept, buffer, 4);
      SendAll(kept, buffer, 4);
    }
    // What is opened now may get the closed number and is a new socket.
    Pair tcp = TcpPair(AF_INET);
    for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
    return 0;
  }
  for (int family : kFamilies) {
    Pair kept = TcpPair(family), closed = TcpPair(family);
    for (int i = 0; i < 40; i++) {
      CheckAlive(kept.client, kept.server);
      CheckAlive(closed.client, closed.server);
    }
    CHECK_OK(fcntl(kept.server, F_SETFD, 0));
    const pid_t child = Fork([&] {
      execl("/proc/self/exe", arguments[0], std::to_string(kept.server).c_str(),
            std::to_string(closed.server).c_str(), nullptr);
      FAIL("exec failed");
    });
    char buffer[4];
    for (int i = 0; i < 40; i++) {
      SendAll(kept.client, "ping", 4);
      ReceiveAll(kept.client, buffer, 4);
      CHECK(memcmp(buffer, "ping", 4) == 0);
    }
    Join(child);
    CheckAlive(closed.client, closed.server);
    CheckAlive(kept.client, kept.server);
  }
  return 0;
}
