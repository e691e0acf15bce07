// SPDX-License-Identifier: Apache-2.0
// readv, writev, preadv2 and friends on sockets: order, empty pieces, limits.
// tier: fast
// boot: shared
// variants: trap shim local
#include <limits.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    for (bool stream : {true, false}) {
      Pair pair = stream ? TcpPair(family) : UdpPair(family);
      auto bytes = Pattern(20'000, 1);
      const size_t cuts[] = {0, 1, 5, 0, 39, 4096, 3, 0, 9000, 1};
      std::vector<iovec> out;
      size_t total = 0;
      for (size_t cut : cuts) {
        out.push_back({cut ? bytes.data() + total : nullptr, cut});
        total += cut;
      }
      CHECK_EQ(writev(pair.client, out.data(), out.size()), total);
      std::vector<uint8_t> received(total, 0);
      std::vector<iovec> in = {
          {received.data(), 10}, {nullptr, 0}, {received.data() + 10, total - 10}};
      if (stream) {
        // Wait for all of it: one readv takes what is there.
        CHECK_EQ(recv(pair.server, received.data(), total, MSG_PEEK | MSG_WAITALL), total);
        memset(received.data(), 0, total);
      }
      CHECK_EQ(readv(pair.server, in.data(), in.size()), total);
      CHECK(memcmp(received.data(), bytes.data(), total) == 0);

      std::vector<iovec> most(IOV_MAX, iovec{bytes.data(), 1});
      CHECK_EQ(writev(pair.client, most.data(), most.size()), IOV_MAX);
      received.assign(IOV_MAX, 0);
      CHECK_EQ(recv(pair.server, received.data(), IOV_MAX, MSG_WAITALL), IOV_MAX);
      for (uint8_t byte : received) CHECK_EQ(byte, bytes[0]);

      most.push_back({bytes.data(), 1});
      CHECK_FAILS(writev(pair.client, most.data(), most.size()), EINVAL);
      CHECK_FAILS(readv(pair.server, most.data(), most.size()), EINVAL);
      const iovec negative{bytes.data(), static_cast<size_t>(-5)};
      CHECK_FAILS(writev(pair.client, &negative, 1), EINVAL);

      CHECK_FAILS(pread(pair.server, received.data(), 1, 0), ESPIPE);
      CHECK_FAILS(pwrite(pair.client, received.data(), 1, 0), ESPIPE);
      CHECK_FAILS(lseek(pair.server, 0, SEEK_CUR), ESPIPE);

      // preadv2 and pwritev2 at the current position are readv and writev; RWF_NOWAIT does not
      // wait.
      iovec one{received.data(), 8};
      CHECK_FAILS(preadv2(pair.server, &one, 1, -1, RWF_NOWAIT), EAGAIN);
      const iovec some{bytes.data(), 8};
      CHECK_EQ(pwritev2(pair.client, &some, 1, -1, 0), 8);
      CHECK(Poll(pair.server, POLLIN, kSoon) & POLLIN);
      CHECK_EQ(preadv2(pair.server, &one, 1, -1, 0), 8);
      CHECK(memcmp(received.data(), bytes.data(), 8) == 0);
    }
  }
  return 0;
}
