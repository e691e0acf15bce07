// SPDX-License-Identifier: Apache-2.0
// Every size around the limits of lines, chunks, pages and calls arrives unchanged, in both
// directions.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include "testing.h"

using namespace vos::testing;

int main() {
  const size_t sizes[] = {1,    2,     7,     8,     23,    24,    25,     39,     40,     41,
                          63,   64,    65,    127,   1023,  4095,  4096,   4097,   8191,   8192,
                          8193, 16384, 65472, 65535, 65536, 65537, 131072, 262143, 262144, 262145};
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    uint64_t seed = 1;
    for (size_t size : sizes) {
      const auto there = Pattern(size, seed++), back = Pattern(size, seed++);
      std::vector<uint8_t> received(size + 1);
      // The peer reads in another thread: more than the socket buffers hold may be on the way.
      Thread peer([&] {
        std::vector<uint8_t> bytes(size);
        ReceiveAll(tcp.server, bytes.data(), size);
        CHECK(bytes == there);
        SendAll(tcp.server, back.data(), size);
      });
      SendAll(tcp.client, there.data(), size);
      ReceiveAll(tcp.client, received.data(), size);
      received.pop_back();
      CHECK(received == back);
    }

    // read and write of exactly what is there; the rest of the buffer stays.
    for (size_t size : {1, 24, 25, 40, 41, 4096}) {
      const auto bytes = Pattern(size, seed++);
      std::vector<uint8_t> buffer(size + 64, 0xee);
      CHECK_EQ(write(tcp.client, bytes.data(), size), size);
      CHECK(Poll(tcp.server, POLLIN, kSoon) & POLLIN);
      size_t got = 0;
      while (got < size)
        got += CHECK_OK(read(tcp.server, buffer.data() + got, buffer.size() - got));
      CHECK_EQ(got, size);
      CHECK(memcmp(buffer.data(), bytes.data(), size) == 0);
      for (size_t i = size; i < buffer.size(); i++) CHECK_EQ(buffer[i], 0xee);
    }

    Pair udp = UdpPair(family);
    for (size_t size : {0, 1, 24, 25, 40, 41, 1400, 4095, 4096, 4097, 16384, 60000}) {
      const auto bytes = Pattern(size, seed++);
      std::vector<uint8_t> buffer(65536, 0xee);
      CHECK_EQ(send(udp.client, bytes.data(), size, 0), size);
      CHECK_EQ(recv(udp.server, buffer.data(), buffer.size(), 0), size);
      CHECK(memcmp(buffer.data(), bytes.data(), size) == 0);
      CHECK_EQ(buffer[size], 0xee);
    }
  }
  return 0;
}
