// SPDX-License-Identifier: Apache-2.0
// Sockets passed over AF_UNIX (SCM_RIGHTS) and taken by pidfd_getfd work in the other process
// and outlive the sender.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/pidfd.h>

#include "rights.h"
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    int ends[2];
    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    Fd here(ends[0]), there(ends[1]);

    // A process that never made a socket is given one, and a listener.
    const Fd listener = Listening(family);
    const pid_t server = Fork([&] {
      here.Reset();
      const Fd given = Take(there);
      const Fd listening = Take(there, 0);
      for (int i = 0; i < 40; i++) {
        char byte;
        ReceiveAll(given, &byte, 1);
        SendAll(given, &byte, 1);
      }
      const Fd accepted(CHECK_OK(accept(listening, nullptr, nullptr)));
      SendAll(accepted, "welcome", 7);
      // And back again: a socket the parent has not seen.
      Pass(there, accepted);
    });
    Pair tcp = TcpPair(family);
    Pass(here, tcp.server);
    Pass(here, listener);
    tcp.server.Reset();
    char byte;
    for (int i = 0; i < 40; i++) {
      const char value = static_cast<char>(i);
      SendAll(tcp.client, &value, 1);
      ReceiveAll(tcp.client, &byte, 1);
      CHECK_EQ(byte, value);
    }
    const Fd client = Connected(NameOf(listener));
    char welcome[7];
    ReceiveAll(client, welcome, sizeof(welcome));
    const Fd from_child = Take(here);
    Join(server);
    for (int i = 0; i < 20; i++) CheckAlive(client, from_child);

    // In flight, the only reference is the message.
    Pair flying = TcpPair(family);
    Pass(here, flying.server);
    flying.server.Reset();
    SendAll(flying.client, "hold", 4);
    const Fd landed = Take(there);
    char hold[4];
    ReceiveAll(landed, hold, 4);
    CheckAlive(flying.client, landed);
    // Never taken: closing the carrier ends the connection.
    Pair lost = TcpPair(family);
    Pass(here, lost.server);
    lost.server.Reset();
    here.Reset();
    there.Reset();
    CHECK_EQ(recv(lost.client, &byte, 1, 0), 0);

    const pid_t owner = Fork([&] { pause(); });
    const Fd pidfd(static_cast<int>(CHECK_OK(syscall(SYS_pidfd_open, owner, 0))));
    const Fd taken(
        static_cast<int>(CHECK_OK(syscall(SYS_pidfd_getfd, int(pidfd), int(flying.client), 0))));
    for (int i = 0; i < 20; i++) CheckAlive(taken, landed);
    CHECK_OK(kill(owner, SIGKILL));
    CHECK_OK(waitpid(owner, nullptr, 0));
    CheckAlive(taken, landed);
  }
  return 0;
}
