// SPDX-License-Identifier: Apache-2.0
// A ready 1-byte send or receive with the shim makes no system call: its calls are counted by
// tracing it.
// tier: fast
// boot: shared
// variants: shim
#include "system_calls.h"

using namespace vos::testing;

constexpr int kCalls = 500;

int main() {
  Pair tcp = TcpPair(AF_INET);
  const SystemCalls calls = CountSystemCalls(
      [&] {
        char byte = 'x';
        // Earns the fast path, and waits until what is sent is ready.
        for (int i = 0; i < 200; i++) CheckAlive(tcp.client, tcp.server);
        SendAll(tcp.client, std::string(kCalls, 'r').data(), kCalls);
        for (int i = 0; i < 2000 && Poll(tcp.server, POLLIN, 1) == 0; i++) continue;
        Sleep(200);
        for (int i = 0; i < 3; i++) CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
      },
      [&] {
        char byte = 'x';
        for (int i = 3; i < kCalls; i++) {
          if (recv(tcp.server, &byte, 1, 0) != 1 || byte != 'r') FAIL("receive %d", i);
          if (send(tcp.client, "s", 1, 0) != 1) FAIL("send %d", i);
        }
      });
  constexpr int kData = 2 * (kCalls - 3);
  printf("%d data calls: %d system calls of the shim's own, %d others:%s\n", kData, calls.own,
         calls.others, calls.which.c_str());
  CHECK_EQ(calls.others, 0);
  // A poller that does not run just then makes a call ring or sleep.
  CHECK(calls.own <= kData / 10);
  return 0;
}
