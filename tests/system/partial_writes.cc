// SPDX-License-Identifier: Apache-2.0
// A full socket: a partial count, then EAGAIN, POLLOUT gone and back again; not a byte lost or
// doubled.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include "testing.h"

using namespace vos::testing;

int main() {
  // The stream is a sequence of this period, so that any place in it can be sent from one buffer.
  constexpr size_t kPeriod = 9973, kPiece = 50'000, kWhole = 2 << 20;
  auto bytes = Pattern(kPeriod, 1);
  while (bytes.size() < kPeriod + kWhole)
    bytes.insert(bytes.end(), bytes.begin(), bytes.begin() + kPeriod);

  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    SetNonblocking(tcp.client);
    size_t sent = 0;
    bool partial = false;
    // Acknowledgements make buffers grow for a while: full is what stays full.
    for (int full = 0; full < 3;) {
      const ssize_t count = send(tcp.client, bytes.data() + sent % kPeriod, kPiece, 0);
      if (count < 0) {
        CHECK_EQ(errno, EAGAIN);
        full = Poll(tcp.client, POLLOUT, 30) ? 0 : full + 1;
        continue;
      }
      CHECK(count > 0);
      partial |= static_cast<size_t>(count) < kPiece;
      sent += count;
    }
    CHECK(partial);
    CHECK_EQ(Poll(tcp.client, POLLOUT, 0), 0);

    Thread writable([&] { CHECK(Poll(tcp.client, POLLOUT, kSoon) & POLLOUT); });
    WaitUntilAsleep(writable.tid());
    std::vector<uint8_t> received(sent);
    ReceiveAll(tcp.server, received.data(), sent);
    writable.Join();
    for (size_t i = 0; i < sent; i++) CHECK_EQ(received[i], bytes[i % kPeriod]);
    char byte;
    CHECK_FAILS(recv(tcp.server, &byte, 1, MSG_DONTWAIT), EAGAIN);

    // A blocking send of much more than fits is sent whole.
    SetNonblocking(tcp.client, false);
    Thread reader([&] {
      std::vector<uint8_t> all(kWhole);
      ReceiveAll(tcp.server, all.data(), kWhole);
      CHECK(memcmp(all.data(), bytes.data(), kWhole) == 0);
    });
    CHECK_EQ(send(tcp.client, bytes.data(), kWhole, 0), kWhole);
  }
  return 0;
}
