// SPDX-License-Identifier: Apache-2.0
// A long send whose connection ends in the middle returns what was sent, without SIGPIPE; the next
// one has the error.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static std::atomic<int> signals = 0;

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
  }
  return 0;
}
