// SPDX-License-Identifier: Apache-2.0
// A handler ends a blocked call with EINTR, or lets it go on if it was installed with
// SA_RESTART; a call with a time limit is never restarted.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static std::atomic<int> handled = 0;
static void Count(int) { handled++; }

// Interrupts `blocked` once it sleeps; then, if it is to be restarted, lets it end by `finish`.
template <typename Blocked, typename Finish>
static void Interrupt(bool restart, Blocked blocked, Finish finish) {
  Handle(SIGUSR1, Count, restart ? SA_RESTART : 0);
  const int before = handled;
  std::atomic<bool> ended = false;
  Thread thread([&] {
    blocked();
    ended = true;
  });
  WaitUntilAsleep(thread.tid());
  CHECK_EQ(pthread_kill(thread.handle(), SIGUSR1), 0);
  while (handled == before) Sleep(1);
  if (restart) {
    WaitUntilAsleep(thread.tid());
    CHECK(!ended);
    finish();
  }
  thread.Join();
}

int main() {
  for (int family : kFamilies) {
    const Fd listener = Listening(family);
    Pair tcp = TcpPair(family);
    Pair udp = UdpPair(family);
    char byte;

    auto nothing = [] {};
    Interrupt(false, [&] { CHECK_FAILS(recv(tcp.server, &byte, 1, 0), EINTR); }, nothing);
    Interrupt(false, [&] { CHECK_FAILS(read(udp.server, &byte, 1), EINTR); }, nothing);
    Interrupt(false, [&] { CHECK_FAILS(accept(listener, nullptr, nullptr), EINTR); }, nothing);

    Interrupt(
        true, [&] { CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1); },
        [&] { SendAll(tcp.client, "x", 1); });
    Interrupt(
        true, [&] { CHECK_EQ(read(udp.server, &byte, 1), 1); },
        [&] { CHECK_EQ(send(udp.client, "x", 1, 0), 1); });
    Interrupt(
        true, [&] { Fd(CHECK_OK(accept(listener, nullptr, nullptr))); },
        [&] { Connected(NameOf(listener)); });

    // poll and select are never restarted.
    Interrupt(
        false,
        [&] {
          pollfd entry{tcp.server, POLLIN, 0};
          CHECK_FAILS(poll(&entry, 1, -1), EINTR);
        },
        nothing);

    const timeval limit{10, 0};
    CHECK_OK(setsockopt(tcp.server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    Handle(SIGUSR1, Count, SA_RESTART);
    Thread limited([&] { CHECK_FAILS(recv(tcp.server, &byte, 1, 0), EINTR); });
    WaitUntilAsleep(limited.tid());
    CHECK_EQ(pthread_kill(limited.handle(), SIGUSR1), 0);
    limited.Join();

    // A blocked send of more than fits: what was sent before the signal counts.
    Handle(SIGUSR1, Count);
    const std::vector<uint8_t> much = Pattern(16 << 20, 1);
    ssize_t sent = 0;
    Thread sender([&] { sent = CHECK_OK(send(tcp.client, much.data(), much.size(), 0)); });
    WaitUntilAsleep(sender.tid());
    CHECK_EQ(pthread_kill(sender.handle(), SIGUSR1), 0);
    sender.Join();
    CHECK(sent > 0 && static_cast<size_t>(sent) < much.size());
    std::vector<uint8_t> received(sent);
    ReceiveAll(tcp.server, received.data(), received.size());
    CHECK(memcmp(received.data(), much.data(), sent) == 0);
    CHECK_FAILS(recv(tcp.server, &byte, 1, MSG_DONTWAIT), EAGAIN);
  }
  return 0;
}
