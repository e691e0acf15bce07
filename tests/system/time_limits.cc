// SPDX-License-Identifier: Apache-2.0
// SO_RCVTIMEO and SO_SNDTIMEO bound blocked calls, read back, and can be lifted.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include "testing.h"

using namespace vos::testing;

static void SetLimit(int fd, int option, int milliseconds) {
  const timeval limit{milliseconds / 1000, milliseconds % 1000 * 1000};
  CHECK_OK(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit)));
  timeval seen{};
  socklen_t size = sizeof(seen);
  CHECK_OK(getsockopt(fd, SOL_SOCKET, option, &seen, &size));
  CHECK_EQ(seen.tv_sec, limit.tv_sec);
  // Rounded up to a tick.
  CHECK(seen.tv_usec >= limit.tv_usec && seen.tv_usec <= limit.tv_usec + 10'000);
}

template <typename Call>
static void CheckExpires(Call call) {
  const int64_t start = Milliseconds();
  CHECK_FAILS(call(), EAGAIN);
  const int64_t took = Milliseconds() - start;
  if (took < 190 || took > kSoon)
    FAIL("the call took %lld ms, not 200", static_cast<long long>(took));
}

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    Pair udp = UdpPair(family);
    const Fd listener = Listening(family);
    char byte;
    for (int fd : {int(tcp.server), int(udp.server), int(listener)}) SetLimit(fd, SO_RCVTIMEO, 200);
    CheckExpires([&] { return recv(tcp.server, &byte, 1, 0); });
    CheckExpires([&] { return read(udp.server, &byte, 1); });
    CheckExpires([&] { return accept(listener, nullptr, nullptr); });

    // What came before the limit counts, also with MSG_WAITALL.
    SendAll(tcp.client, "abc", 3);
    char some[8];
    CHECK_EQ(recv(tcp.server, some, sizeof(some), MSG_WAITALL), 3);

    SetLimit(tcp.client, SO_SNDTIMEO, 200);
    const std::vector<uint8_t> much = Pattern(16 << 20, 1);
    for (int tries = 0;; tries++) {
      // Partial counts first; growing buffers may allow for a few.
      CHECK(tries < 10);
      const int64_t start = Milliseconds();
      const ssize_t sent = send(tcp.client, much.data(), much.size(), 0);
      CHECK(Milliseconds() - start >= 190);
      if (tries > 0 && sent < 0) break;
      CHECK(sent > 0 && static_cast<size_t>(sent) < much.size());
    }
    CHECK_EQ(errno, EAGAIN);

    // Lifted: the call waits for its data.
    SetLimit(udp.server, SO_RCVTIMEO, 0);
    Thread waiting([&] { CHECK_EQ(read(udp.server, &byte, 1), 1); });
    WaitUntilAsleep(waiting.tid());
    Sleep(300);
    CHECK_EQ(send(udp.client, "x", 1, 0), 1);
    waiting.Join();

    const timeval wrong{0, 1'000'000};
    CHECK_FAILS(setsockopt(udp.server, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof(wrong)), EDOM);
    CHECK_FAILS(setsockopt(udp.server, SOL_SOCKET, SO_RCVTIMEO, &wrong, 3), EINVAL);
  }
  return 0;
}
