// SPDX-License-Identifier: Apache-2.0
// Sockets come and go by the thousand, also in many processes at once, and nothing is used up.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 90
#include "testing.h"

using namespace vos::testing;

int main() {
  const int lowest = CHECK_OK(dup(0));
  CHECK_OK(close(lowest));
  for (int i = 0; i < 3000; i++) {
    const Fd fd(CHECK_OK(socket(kFamilies[i % 2], i % 3 ? SOCK_STREAM : SOCK_DGRAM, 0)));
    CHECK_EQ(fd, lowest);
  }
  for (int i = 0; i < 150; i++) {
    Pair tcp = TcpPair(kFamilies[i % 2]);
    CheckAlive(tcp.client, tcp.server);
  }
  for (int wave = 0; wave < 3; wave++) {
    std::vector<pid_t> children;
    for (int i = 0; i < 20; i++)
      children.push_back(Fork([&] {
        Pair tcp = TcpPair(kFamilies[i % 2]);
        for (int round = 0; round < 30; round++) CheckAlive(tcp.client, tcp.server);
      }));
    for (pid_t child : children) Join(child);
  }
  return 0;
}
