// SPDX-License-Identifier: Apache-2.0
// Programs that close all descriptors, those they never opened too, go on with new ones as if
// nothing had been.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (bool by_range : {false, true}) {
    Pair before = TcpPair(AF_INET);
    for (int i = 0; i < 40; i++) CheckAlive(before.client, before.server);
    const Fd output(CHECK_OK(dup(2)));
    const pid_t daemon = Fork([&] {
      for (int i = 0; i < 40; i++) CheckAlive(before.client, before.server);
      if (by_range)
        CHECK_OK(close_range(0, ~0u, 0));
      else
        for (int fd = 0; fd < 4096; fd++) close(fd);
      if (send(before.client, "x", 1, MSG_NOSIGNAL) != -1 || errno != EBADF) _exit(2);
      // Nothing is open: the numbers begin anew.
      if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || dup(0) != 2) _exit(3);
      Pair after = TcpPair(AF_INET6);
      for (int i = 0; i < 60; i++) CheckAlive(after.client, after.server);
    });
    Join(daemon);
    CheckAlive(before.client, before.server);
  }
  return 0;
}
