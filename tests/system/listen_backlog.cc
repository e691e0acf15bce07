// SPDX-License-Identifier: Apache-2.0
// The backlog: as many connections wait as asked for, none is lost, listen again changes it,
// somaxconn limits it.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include "testing.h"

using namespace vos::testing;

static int Waiting(const Address& address, int tries, std::vector<Fd>& clients) {
  int connected = 0;
  for (int i = 0; i < tries; i++) {
    Fd client(CHECK_OK(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK, 0)));
    if (connect(client, address.get(), address.size) < 0) CHECK_EQ(errno, EINPROGRESS);
    if (!(Poll(client, POLLOUT, 150) & POLLOUT)) break;
    clients.push_back(std::move(client));
    connected++;
  }
  return connected;
}

int main() {
  for (int family : kFamilies) {
    const Fd listener = Listening(family, 3);
    const Address address = NameOf(listener);
    std::vector<Fd> clients;
    // Linux lets one more than the backlog wait.
    CHECK_EQ(Waiting(address, 10, clients), 4);
    CHECK_OK(listen(listener, 10));
    CHECK_EQ(Waiting(address, 3, clients), 3);
    for (size_t i = 0; i < clients.size(); i++)
      Fd(CHECK_OK(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)));

    // As large as it may be, also negative.
    for (int backlog : {0x7fffffff, -1}) {
      const Fd large = Listening(family, backlog);
      clients.clear();
      CHECK_EQ(Waiting(NameOf(large), 40, clients), 40);
      int accepted = 0;
      for (; accepted < 40; accepted++) Fd(CHECK_OK(accept(large, nullptr, nullptr)));
    }

    // Closing the listener resets what waits in it.
    Fd closing = Listening(family);
    const Fd orphan = Connected(NameOf(closing));
    closing.Reset();
    char byte;
    const ssize_t got = recv(orphan, &byte, 1, 0);
    if (got != 0) CHECK(got < 0 && errno == ECONNRESET);
  }
  return 0;
}
