// SPDX-License-Identifier: Apache-2.0
// Writing to a closed connection: EPIPE and SIGPIPE from every call that writes, no signal with
// MSG_NOSIGNAL; a reset connection says ECONNRESET once.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/sendfile.h>

#include "testing.h"

using namespace vos::testing;

static int signals = 0;

int main() {
  Handle(SIGPIPE, [](int) { signals++; });
  char data[8192] = "x";
  for (int family : kFamilies) {
    for (size_t size : {size_t{1}, sizeof(data)}) {
      Pair tcp = TcpPair(family);
      CHECK_OK(shutdown(tcp.client, SHUT_WR));
      int before = signals;
      auto raised = [&] { return std::exchange(before, signals) != signals; };
      CHECK_FAILS(write(tcp.client, data, size), EPIPE);
      CHECK(raised());
      CHECK_FAILS(send(tcp.client, data, size, 0), EPIPE);
      CHECK(raised());
      const iovec piece{data, size};
      CHECK_FAILS(writev(tcp.client, &piece, 1), EPIPE);
      CHECK(raised());
      msghdr message = {};
      message.msg_iov = const_cast<iovec*>(&piece);
      message.msg_iovlen = 1;
      CHECK_FAILS(sendmsg(tcp.client, &message, 0), EPIPE);
      CHECK(raised());
      CHECK_FAILS(send(tcp.client, data, size, MSG_NOSIGNAL), EPIPE);
      CHECK_FAILS(sendmsg(tcp.client, &message, MSG_NOSIGNAL), EPIPE);
      CHECK(!raised());
      const Fd file(CHECK_OK(open("/proc/self/exe", O_RDONLY)));
      CHECK_FAILS(sendfile(tcp.client, file, nullptr, size), EPIPE);
      CHECK(raised());
    }

    // The signal's default ends the process.
    Pair tcp = TcpPair(family);
    const pid_t child = Fork([&] {
      Handle(SIGPIPE, SIG_DFL);
      CHECK_OK(shutdown(tcp.client, SHUT_WR));
      write(tcp.client, "x", 1) < 0 ? _exit(3) : _exit(4);
    });
    int status;
    CHECK_OK(waitpid(child, &status, 0));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);

    // Closing with unread data, or with a zero linger, resets.
    for (bool linger : {false, true}) {
      Pair reset = TcpPair(family);
      SendAll(reset.client, "unread", 6);
      CHECK(Poll(reset.server, POLLIN, kSoon) & POLLIN);
      if (linger) {
        const struct linger none = {1, 0};
        CHECK_OK(setsockopt(reset.server, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
      }
      reset.server.Reset();
      CHECK((Poll(reset.client, POLLIN, kSoon) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
      char byte;
      CHECK_FAILS(recv(reset.client, &byte, 1, 0), ECONNRESET);
      CHECK_EQ(recv(reset.client, &byte, 1, 0), 0);
      CHECK_FAILS(send(reset.client, "x", 1, MSG_NOSIGNAL), EPIPE);
    }

    // A receiver that waits is told.
    Pair waiting = TcpPair(family);
    Thread receiver([&] {
      char byte;
      CHECK_FAILS(recv(waiting.client, &byte, 1, 0), ECONNRESET);
    });
    WaitUntilAsleep(receiver.tid());
    const struct linger none = {1, 0};
    CHECK_OK(setsockopt(waiting.server, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
    waiting.server.Reset();
  }
  return 0;
}
