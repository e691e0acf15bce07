// SPDX-License-Identifier: Apache-2.0
// 1 MiB in both directions at once over one connection, blocking and non-blocking with partial
// writes.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include "testing.h"

using namespace vos::testing;

constexpr size_t kBytes = 1 << 20;

static void Send(int fd, uint64_t seed, bool nonblocking) {
  const auto bytes = Pattern(kBytes, seed);
  for (size_t done = 0, piece = 1; done < kBytes; piece = piece * 5 % 70001) {
    const size_t size = std::min(piece, kBytes - done);
    const ssize_t sent = send(fd, bytes.data() + done, size, MSG_NOSIGNAL);
    if (sent < 0) {
      CHECK(nonblocking);
      CHECK_EQ(errno, EAGAIN);
      CHECK(Poll(fd, POLLOUT, kSoon) & POLLOUT);
      continue;
    }
    if (!nonblocking) CHECK_EQ(sent, size);
    done += sent;
  }
}

static void Receive(int fd, uint64_t seed, bool nonblocking) {
  const auto expected = Pattern(kBytes, seed);
  std::vector<uint8_t> bytes(kBytes);
  for (size_t done = 0, piece = 3; done < kBytes; piece = piece * 7 % 80021) {
    const ssize_t got = recv(fd, bytes.data() + done, std::min(piece, kBytes - done), 0);
    if (got < 0) {
      CHECK(nonblocking);
      CHECK_EQ(errno, EAGAIN);
      CHECK(Poll(fd, POLLIN, kSoon) & POLLIN);
      continue;
    }
    CHECK(got > 0);
    done += got;
  }
  CHECK(bytes == expected);
}

int main() {
  for (int family : kFamilies) {
    for (bool nonblocking : {false, true}) {
      Pair tcp = TcpPair(family);
      SetNonblocking(tcp.client, nonblocking);
      SetNonblocking(tcp.server, nonblocking);
      Thread a([&] { Send(tcp.client, 1, nonblocking); });
      Thread b([&] { Receive(tcp.server, 1, nonblocking); });
      Thread c([&] { Send(tcp.server, 2, nonblocking); });
      Receive(tcp.client, 2, nonblocking);
    }
  }
  return 0;
}
