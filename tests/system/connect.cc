// SPDX-License-Identifier: Apache-2.0
// connect(): blocking, non-blocking, refused, repeated.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    const Fd listener = Listening(family);
    const Address address = NameOf(listener);

    const Fd blocking = Connected(address);
    CHECK_FAILS(connect(blocking, address.get(), address.size), EISCONN);
    CHECK(PeerOf(blocking) == address);

    // Non-blocking: at once or in progress, then writable, no error, works.
    const Fd busy(CHECK_OK(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)));
    if (connect(busy, address.get(), address.size) < 0) {
      CHECK_EQ(errno, EINPROGRESS);
      CHECK_EQ(Poll(busy, POLLOUT, kSoon), POLLOUT);
    }
    CHECK_EQ(Option(busy, SOL_SOCKET, SO_ERROR), 0);
    Fd(CHECK_OK(accept(listener, nullptr, nullptr)));
    const Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
    SetNonblocking(busy, false);
    CheckAlive(busy, server);

    // Refused, blocking: the error once; the socket can be used for another try.
    const Address nobody = Refusing(family);
    const Fd again(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    CHECK_FAILS(connect(again, nobody.get(), nobody.size), ECONNREFUSED);
    CHECK_EQ(Option(again, SOL_SOCKET, SO_ERROR), 0);
    CHECK_OK(connect(again, address.get(), address.size));

    // Refused, non-blocking: by poll and SO_ERROR, which clears it.
    const Fd refused(CHECK_OK(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)));
    CHECK_FAILS(connect(refused, nobody.get(), nobody.size), EINPROGRESS);
    const int events = Poll(refused, POLLIN | POLLOUT, kSoon);
    CHECK((events & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
    CHECK_EQ(Option(refused, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    CHECK_EQ(Option(refused, SOL_SOCKET, SO_ERROR), 0);

    // Refused, non-blocking: by the next call on the socket.
    const Fd next(CHECK_OK(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0)));
    CHECK_FAILS(connect(next, nobody.get(), nobody.size), EINPROGRESS);
    CHECK(Poll(next, POLLOUT, kSoon) & POLLERR);
    char byte;
    CHECK_FAILS(recv(next, &byte, 1, 0), ECONNREFUSED);
    CHECK_EQ(recv(next, &byte, 1, 0), 0);

    const Fd fresh(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    CHECK_FAILS(connect(fresh, address.get(), 3), EINVAL);
    CHECK_FAILS(send(fresh, "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_FAILS(recv(fresh, &byte, 1, 0), ENOTCONN);
    Address peer;
    CHECK_FAILS(getpeername(fresh, peer.get(), &peer.size), ENOTCONN);
    CHECK_EQ(Poll(fresh, POLLIN | POLLOUT, 0), POLLOUT | POLLHUP);
  }
  return 0;
}
