// SPDX-License-Identifier: Apache-2.0
// A connect that the peer's full queue keeps waiting: EALREADY, EINTR without losing it,
// SO_SNDTIMEO, and then it works.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include "testing.h"

using namespace vos::testing;

static void Nothing(int) {}

int main() {
  for (int family : kFamilies) {
    // One connection fits into the queue of backlog 0; the SYN of the next ones is dropped.
    const Fd listener = Listening(family, 0);
    const Address address = NameOf(listener);
    std::vector<Fd> waiting;
    for (int i = 0; i < 8; i++) {
      Fd fd(CHECK_OK(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)));
      if (connect(fd, address.get(), address.size) < 0) CHECK_EQ(errno, EINPROGRESS);
      if (!(Poll(fd, POLLOUT, 200) & POLLOUT)) {
        waiting.push_back(std::move(fd));
        break;
      }
      waiting.push_back(std::move(fd));
    }
    Fd& stuck = waiting.back();
    if (Poll(stuck, POLLOUT, 0)) SKIP("the listening queue takes everything");
    CHECK_FAILS(connect(stuck, address.get(), address.size), EALREADY);
    CHECK_EQ(Option(stuck, SOL_SOCKET, SO_ERROR), 0);
    char byte;
    CHECK_FAILS(recv(stuck, &byte, 1, 0), EAGAIN);

    // A time limit: EINPROGRESS when it is over.
    const Fd limited(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    const timeval limit{0, 150'000};
    CHECK_OK(setsockopt(limited, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
    const int64_t start = Milliseconds();
    CHECK_FAILS(connect(limited, address.get(), address.size), EINPROGRESS);
    CHECK(Milliseconds() - start >= 140);

    // A signal: EINTR, and the attempt goes on.
    Handle(SIGUSR1, Nothing);
    const Fd interrupted(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    Thread connecting([&] {
      CHECK_FAILS(connect(interrupted, address.get(), address.size), EINTR);
      SetNonblocking(interrupted);
      CHECK_FAILS(connect(interrupted, address.get(), address.size), EALREADY);
    });
    WaitUntilAsleep(connecting.tid());
    CHECK_EQ(pthread_kill(connecting.handle(), SIGUSR1), 0);
    connecting.Join();

    // Once there is room, the retransmitted SYN gets through.
    CHECK_OK(listen(listener, 64));
    CHECK(Poll(interrupted, POLLOUT, kSoon) & POLLOUT);
    CHECK_EQ(Option(interrupted, SOL_SOCKET, SO_ERROR), 0);
    if (connect(interrupted, address.get(), address.size) < 0) CHECK_EQ(errno, EISCONN);
  }
  return 0;
}
