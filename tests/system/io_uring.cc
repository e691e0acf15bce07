// SPDX-License-Identifier: Apache-2.0
// io_uring on sockets by bare system calls: send, receive that waits, accept, connect that
// fails, poll, close.
// tier: fast
// boot: shared
// variants: trap shim local
#include "ring.h"
#include "testing.h"

using namespace vos::testing;

int main() {
  Ring ring;
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[64] = {};
    ring.Submit(Entry(IORING_OP_SEND, tcp.client, "hello", 5, 1));
    CHECK_EQ(ring.Wait(1), 5);
    ring.Submit(Entry(IORING_OP_RECV, tcp.server, buffer, sizeof(buffer), 2));
    CHECK_EQ(ring.Wait(2), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);

    // Nothing there yet: it waits without a thread of ours.
    ring.Submit(Entry(IORING_OP_RECV, tcp.server, buffer, sizeof(buffer), 3));
    Sleep(50);
    CHECK(!ring.Done());
    SendAll(tcp.client, "later", 5);
    CHECK_EQ(ring.Wait(3), 5);

    ring.Submit(Entry(IORING_OP_WRITE, tcp.client, "write", 5, 4));
    CHECK_EQ(ring.Wait(4), 5);
    ring.Submit(Entry(IORING_OP_READ, tcp.server, buffer, sizeof(buffer), 5));
    CHECK_EQ(ring.Wait(5), 5);

    const Fd listener = Listening(family);
    io_uring_sqe accepting = Entry(IORING_OP_ACCEPT, listener, nullptr, 0, 6);
    accepting.accept_flags = SOCK_CLOEXEC;
    ring.Submit(accepting);
    const Fd client = Connected(NameOf(listener));
    const Fd server(ring.Wait(6));
    CHECK(server >= 0);
    CheckAlive(client, server);

    const Fd refused(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    const Address nobody = Refusing(family);
    io_uring_sqe connecting = Entry(IORING_OP_CONNECT, refused, nobody.get(), 0, 7);
    connecting.off = nobody.size;
    ring.Submit(connecting);
    CHECK_EQ(ring.Wait(7), -ECONNREFUSED);

    io_uring_sqe polling = Entry(IORING_OP_POLL_ADD, server, nullptr, 0, 8);
    polling.poll32_events = POLLIN;
    ring.Submit(polling);
    Sleep(20);
    CHECK(!ring.Done());
    SendAll(client, "p", 1);
    CHECK_EQ(ring.Wait(8), POLLIN);

    // Zero copy is refused or done by copying; never a wrong result.
    io_uring_sqe zero_copy = Entry(IORING_OP_SEND_ZC, client, "zero", 4, 9);
    ring.Submit(zero_copy);
    const int sent = ring.Wait(9);
    CHECK(sent == 4 || sent == -EOPNOTSUPP);

    Pair closing = TcpPair(family);
    ring.Submit(Entry(IORING_OP_CLOSE, closing.client.Release(), nullptr, 0, 10));
    CHECK_EQ(ring.Wait(10), 0);
    CHECK_EQ(recv(closing.server, buffer, 1, 0), 0);
  }
  return 0;
}
