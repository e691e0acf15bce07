// SPDX-License-Identifier: Apache-2.0
// A connected stream whose network domain dies is as if its peer had reset it: whoever waits is told at
// once, ECONNRESET comes once, then the end of the stream and EPIPE, and poll says that it is over. That
// stays so in the next domain, where connecting anew works.
// tier: fast
// boot: shared
// variants: trap shim
// time: 150
#include "domain.h"

using namespace vos::testing;

namespace {

void CheckOver(int fd) {
  // Each time: what is read fits into a completion, then it does not.
  char bytes[4096];
  for (int i = 0; i < 200; i++) CHECK_EQ(recv(fd, bytes, i % 2 ? 1 : sizeof(bytes), 0), 0);
  CHECK_FAILS(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK_EQ(Option(fd, SOL_SOCKET, SO_ERROR), 0);
  const int mask = Poll(fd, POLLIN | POLLOUT | POLLRDHUP, 0);
  CHECK_EQ(mask & (POLLIN | POLLHUP), POLLIN | POLLHUP);
}

}  // namespace

int main() {
  Handle(SIGPIPE, SIG_IGN);
  Pair receiving = TcpPair(AF_INET), sending = TcpPair(AF_INET6), asking = TcpPair(AF_INET);
  Pair polled = TcpPair(AF_INET);
  CheckAlive(sending.client, sending.server);

  std::atomic<int> received = 0, sent = 0;
  Thread receiver([&] {
    char byte;
    received = recv(receiving.client, &byte, 1, 0) < 0 ? errno : -1;
  });
  // Fills the stream and sleeps.
  Thread sender([&] {
    const std::vector<uint8_t> bytes = Pattern(1 << 16, 1);
    while (send(sending.client, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0) {
    }
    sent = errno;
  });
  WaitUntilAsleep(receiver.tid());
  WaitUntilAsleep(sender.tid());

  Outage([&] {
    const int64_t start = Milliseconds();
    receiver.Join();
    sender.Join();
    CHECK(Milliseconds() - start < kSoon);
    CHECK_EQ(received, ECONNRESET);
    CHECK_EQ(sent, ECONNRESET);
    CheckOver(receiving.client);
    CheckOver(sending.client);
    CHECK_EQ(Option(asking.client, SOL_SOCKET, SO_ERROR), ECONNRESET);
    CheckOver(asking.client);
    CHECK_EQ(Poll(polled.client, POLLIN | POLLRDHUP, kSoon) & (POLLIN | POLLERR | POLLHUP),
             POLLIN | POLLERR | POLLHUP);
    Address name;
    CHECK_FAILS(getpeername(polled.client, name.get(), &name.size), ENOTCONN);
  });

  char byte;
  CHECK_FAILS(recv(polled.client, &byte, 1, 0), ECONNRESET);
  CheckOver(polled.client);
  CheckOver(receiving.client);
  CHECK_FAILS(send(polled.server, "x", 1, MSG_NOSIGNAL), ECONNRESET);
  CheckOver(polled.server);
  Pair fresh = TcpPair(AF_INET);
  CheckAlive(fresh.client, fresh.server);
  return 0;
}
