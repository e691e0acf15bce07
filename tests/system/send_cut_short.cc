// SPDX-License-Identifier: Apache-2.0
// A send whose connection ends in the middle returns what was sent, without SIGPIPE; the next one has
// the error.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static std::atomic<int> signals = 0;

// Sends that fit into the fast path, of which the last may be done by it in part.
static void CutShort(int family) {
  const auto bytes = Pattern(48'000, 3);
  Pair tcp = TcpPair(family);
  for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
  ssize_t sent = 0;
  int error = 0;
  Thread sender([&] {
    do {
      sent = send(tcp.client, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } while (sent == static_cast<ssize_t>(bytes.size()));
    error = errno;
  });
  WaitUntilAsleep(sender.tid());
  const struct linger none = {1, 0};
  CHECK_OK(setsockopt(tcp.server, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
  tcp.server.Reset();
  sender.Join();
  // Once, in any case.
  if (sent < 0)
    CHECK_EQ(error, ECONNRESET);
  else
    CHECK_FAILS(send(tcp.client, "x", 1, MSG_NOSIGNAL), ECONNRESET);
  CHECK_FAILS(send(tcp.client, "x", 1, MSG_NOSIGNAL), EPIPE);
}

int main() {
  Handle(SIGPIPE, [](int) { signals++; });
  const auto bytes = Pattern(8 << 20, 3);
  for (int family : kFamilies) {
    for (bool by_write : {false, true}) {
      Pair tcp = TcpPair(family);
      // The fast path first.
      for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
      signals = 0;
      ssize_t sent = 0;
      Thread sender([&] {
        sent = by_write ? write(tcp.client, bytes.data(), bytes.size())
                        : send(tcp.client, bytes.data(), bytes.size(), 0);
      });
      WaitUntilAsleep(sender.tid());
      std::vector<uint8_t> received(100'000);
      ReceiveAll(tcp.server, received.data(), received.size());
      CHECK(memcmp(received.data(), bytes.data(), received.size()) == 0);
      WaitUntilAsleep(sender.tid());
      const struct linger none = {1, 0};
      CHECK_OK(setsockopt(tcp.server, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
      tcp.server.Reset();
      sender.Join();
      CHECK(sent >= static_cast<ssize_t>(received.size()));
      CHECK(static_cast<size_t>(sent) < bytes.size());
      CHECK_EQ(signals, 0);
      CHECK_EQ(send(tcp.client, "x", 1, 0), -1);
      CHECK(errno == ECONNRESET || errno == EPIPE);
      CHECK_EQ(signals, errno == EPIPE ? 1 : 0);
    }
    for (int i = 0; i < 5; i++) CutShort(family);
  }
  return 0;
}
