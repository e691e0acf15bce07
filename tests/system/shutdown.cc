// SPDX-License-Identifier: Apache-2.0
// shutdown() of each half, what both sides then see, and how it ends blocked calls.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  Handle(SIGPIPE, SIG_IGN);
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[16];

    // Writing half: the peer reads to the end and may go on writing.
    SendAll(tcp.client, "last", 4);
    CHECK_OK(shutdown(tcp.client, SHUT_WR));
    CHECK_FAILS(send(tcp.client, "x", 1, 0), EPIPE);
    ReceiveAll(tcp.server, buffer, 4);
    CHECK_EQ(Poll(tcp.server, POLLIN | POLLOUT | POLLRDHUP, kSoon), POLLIN | POLLOUT | POLLRDHUP);
    CHECK_EQ(recv(tcp.server, buffer, 1, 0), 0);
    CHECK_EQ(recv(tcp.server, buffer, 1, 0), 0);
    SendAll(tcp.server, "more", 4);
    ReceiveAll(tcp.client, buffer, 4);
    CHECK_OK(shutdown(tcp.server, SHUT_WR));
    CHECK_EQ(recv(tcp.client, buffer, 1, 0), 0);
    CHECK(Poll(tcp.client, POLLIN, 0) & POLLHUP);

    // Reading half: what is there can be read, then the end.
    tcp = TcpPair(family);
    Thread blocked([&] { CHECK_EQ(recv(tcp.server, buffer, 1, 0), 0); });
    WaitUntilAsleep(blocked.tid());
    CHECK_OK(shutdown(tcp.server, SHUT_RD));
    blocked.Join();
    CHECK(Poll(tcp.server, POLLIN | POLLRDHUP, 0) == (POLLIN | POLLRDHUP));
    SendAll(tcp.server, "x", 1);
    ReceiveAll(tcp.client, buffer, 1);

    // Both.
    tcp = TcpPair(family);
    CHECK_OK(shutdown(tcp.client, SHUT_RDWR));
    CHECK_EQ(recv(tcp.client, buffer, 1, 0), 0);
    CHECK_FAILS(send(tcp.client, "x", 1, 0), EPIPE);
    CHECK_EQ(recv(tcp.server, buffer, 1, 0), 0);

    // A listener's waiting accept ends.
    const Fd listener = Listening(family);
    Thread accepting([&] { CHECK_FAILS(accept(listener, nullptr, nullptr), EINVAL); });
    WaitUntilAsleep(accepting.tid());
    CHECK_OK(shutdown(listener, SHUT_RD));
    accepting.Join();

    CHECK_FAILS(shutdown(tcp.server, 3), EINVAL);
    const Fd fresh(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    CHECK_FAILS(shutdown(fresh, SHUT_RDWR), ENOTCONN);
  }
  return 0;
}
