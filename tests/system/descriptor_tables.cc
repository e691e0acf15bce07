// SPDX-License-Identifier: Apache-2.0
// Descriptor tables and memory shared in unusual ways: a thread with a table of its own
// (unshare, close_range), a process that shares only the table (clone with CLONE_FILES).
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/close_range.h>
#include <sched.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair one = TcpPair(family), two = TcpPair(family);
    for (int i = 0; i < 40; i++) {
      CheckAlive(one.client, one.server);
      CheckAlive(two.client, two.server);
    }
    const int number = one.client;

    // A thread that unshares may give the number another meaning, for itself alone.
    for (bool by_range : {false, true}) {
      std::atomic<int> stage = 0;
      Thread loner([&] {
        if (by_range)
          CHECK_OK(close_range(5000, 5001, CLOSE_RANGE_UNSHARE));
        else
          CHECK_OK(unshare(CLONE_FILES));
        CHECK_EQ(dup2(two.client, number), number);
        for (int i = 0; i < 40; i++) CheckAlive(number, two.server);
        stage = 1;
        while (stage != 2) Sleep(1);
        for (int i = 0; i < 10; i++) CheckAlive(number, two.server);
      });
      while (stage != 1) Sleep(1);
      for (int i = 0; i < 40; i++) CheckAlive(number, one.server);
      stage = 2;
      loner.Join();
      for (int i = 0; i < 40; i++) CheckAlive(number, one.server);
      CheckAlive(two.client, two.server);
    }

    // A process with the same table and other memory: its dup2 and close count here at once.
    const auto in_sharer = [](auto body) {
      const pid_t pid = static_cast<pid_t>(
          syscall(SYS_clone, CLONE_FILES | SIGCHLD, nullptr, nullptr, nullptr, 0));
      if (pid == 0) {
        body();
        _exit(0);
      }
      Join(pid);
    };
    Pair three = TcpPair(family);
    for (int i = 0; i < 40; i++) CheckAlive(three.client, three.server);
    const int moved = three.client;
    in_sharer([&] {
      CHECK_EQ(dup2(two.client, moved), moved);
      for (int i = 0; i < 20; i++) CheckAlive(moved, two.server);
    });
    char byte;
    CHECK_EQ(recv(three.server, &byte, 1, 0), 0);
    for (int i = 0; i < 20; i++) CheckAlive(moved, two.server);
    in_sharer([&] { CHECK_OK(close(moved)); });
    CHECK_FAILS(send(moved, "x", 1, MSG_NOSIGNAL), EBADF);
    three.client.Release();
    CheckAlive(two.client, two.server);
  }
  return 0;
}
