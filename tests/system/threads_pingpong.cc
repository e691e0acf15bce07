// SPDX-License-Identifier: Apache-2.0
// 64 threads, each with a connection of its own, and then many short-lived threads: more than
// there are lanes.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include <memory>

#include "repetitions.h"
#include "testing.h"

using namespace vos::testing;

static void PingPong(int id, int rounds) {
  Pair tcp = TcpPair(kFamilies[id % 2]);
  for (int i = 0; i < rounds; i++) {
    const auto out = Pattern(1 + (i * 53 + id) % 700, id * 1000 + i);
    std::vector<uint8_t> in(out.size());
    SendAll(tcp.client, out.data(), out.size());
    ReceiveAll(tcp.server, in.data(), in.size());
    CHECK(in == out);
    SendAll(tcp.server, in.data(), in.size());
    ReceiveAll(tcp.client, in.data(), in.size());
    CHECK(in == out);
  }
}

int main() {
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int id = 0; id < 64; id++)
      threads.push_back(std::make_unique<Thread>([id] { PingPong(id, Times(40)); }));
  }
  for (int wave = 0; wave < Times(25); wave++) {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int id = 0; id < 8; id++)
      threads.push_back(std::make_unique<Thread>([=] { PingPong(wave * 8 + id, 5); }));
  }
  // Between threads: one sends, the other receives.
  const int count = Times(500);
  Pair tcp = TcpPair(AF_INET);
  Thread echo([&] {
    for (int i = 0; i < count; i++) {
      char bytes[32];
      ReceiveAll(tcp.server, bytes, 1 + i % 32);
      SendAll(tcp.server, bytes, 1 + i % 32);
    }
  });
  for (int i = 0; i < count; i++) {
    char out[32], in[32];
    memset(out, i, sizeof(out));
    SendAll(tcp.client, out, 1 + i % 32);
    ReceiveAll(tcp.client, in, 1 + i % 32);
    CHECK(memcmp(in, out, 1 + i % 32) == 0);
  }
  return 0;
}
