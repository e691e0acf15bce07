// SPDX-License-Identifier: Apache-2.0
// After fork both processes use the same sockets, in turns and at once, and each closes for
// itself.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char byte;
    for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);

    // Parent and child, and a child of the child, each earns a fast path of its own.
    Join(Fork([&] {
      for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
      Join(Fork([&] {
        for (int i = 0; i < 40; i++) CheckAlive(tcp.server, tcp.client);
      }));
    }));
    CheckAlive(tcp.client, tcp.server);

    // The child's close is its own; with its end the connection lives on.
    Join(Fork([&] {
      tcp.client.Reset();
      tcp.server.Reset();
      CHECK_FAILS(send(3, "x", 1, MSG_NOSIGNAL), EBADF);
    }));
    CheckAlive(tcp.client, tcp.server);

    // Each end in its own process.
    const pid_t echo = Fork([&] {
      tcp.client.Reset();
      char buffer[512];
      for (;;) {
        const ssize_t got = CHECK_OK(recv(tcp.server, buffer, sizeof(buffer), 0));
        if (got == 0) break;
        SendAll(tcp.server, buffer, got);
      }
    });
    tcp.server.Reset();
    for (int i = 0; i < 60; i++) {
      const auto bytes = Pattern(1 + i * 7, i);
      std::vector<uint8_t> back(bytes.size());
      SendAll(tcp.client, bytes.data(), bytes.size());
      ReceiveAll(tcp.client, back.data(), back.size());
      CHECK(back == bytes);
    }
    tcp.client.Reset();
    Join(echo);

    // Servers that share a listener: every connection is answered by exactly one.
    const Fd listener = Listening(family);
    std::vector<pid_t> servers;
    for (int i = 0; i < 4; i++)
      servers.push_back(Fork([&] {
        for (;;) {
          const Fd connection(CHECK_OK(accept(listener, nullptr, nullptr)));
          char request;
          CHECK_EQ(recv(connection, &request, 1, 0), 1);
          if (request == 'q') break;
          SendAll(connection, &request, 1);
        }
      }));
    for (int i = 0; i < 24; i++) {
      const Fd client = Connected(NameOf(listener));
      const char request = static_cast<char>('A' + i);
      SendAll(client, &request, 1);
      ReceiveAll(client, &byte, 1);
      CHECK_EQ(byte, request);
    }
    for (size_t i = 0; i < servers.size(); i++) {
      const Fd client = Connected(NameOf(listener));
      SendAll(client, "q", 1);
      CHECK_EQ(recv(client, &byte, 1, 0), 0);
    }
    for (pid_t server : servers) Join(server);
  }

  // A bare fork system call copies memory without the C library noticing.
  Pair tcp = TcpPair(AF_INET);
  for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
  const pid_t child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0));
  if (child == 0) {
    for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
    _exit(0);
  }
  Join(child);
  CheckAlive(tcp.client, tcp.server);
  return 0;
}
