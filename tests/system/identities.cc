// SPDX-License-Identifier: Apache-2.0
// What a user may do is decided by that user: low ports, a foreign SO_REUSEPORT group,
// privileged options.
// tier: fast
// boot: shared
// variants: trap shim local
#include <grp.h>

#include "testing.h"

using namespace vos::testing;

template <typename Body>
static void As(uid_t user, Body body) {
  Join(Fork([&] {
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresgid(user, user, user));
    CHECK_OK(setresuid(user, user, user));
    body();
  }));
}

int main() {
  if (getuid() != 0) SKIP("needs root");
  for (int family : kFamilies) {
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const Address low = Loopback(family, 777);
      {
        const Fd privileged(CHECK_OK(socket(family, type, 0)));
        CHECK_OK(bind(privileged, low.get(), low.size));
      }
      As(65534, [&] {
        const Fd fd(CHECK_OK(socket(family, type, 0)));
        CHECK_FAILS(bind(fd, low.get(), low.size), EACCES);
        const Address high = Loopback(family);
        CHECK_OK(bind(fd, high.get(), high.size));
      });

      // A port shared by SO_REUSEPORT is shared among sockets of one user.
      const Fd mine(CHECK_OK(socket(family, type, 0)));
      SetOption(mine, SOL_SOCKET, SO_REUSEPORT, 1);
      Address address = Loopback(family);
      CHECK_OK(bind(mine, address.get(), address.size));
      address = NameOf(mine);
      if (type == SOCK_STREAM) CHECK_OK(listen(mine, 4));
      As(65534, [&] {
        const Fd fd(CHECK_OK(socket(family, type, 0)));
        SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        CHECK_FAILS(bind(fd, address.get(), address.size), EADDRINUSE);
      });
      const Fd also_mine(CHECK_OK(socket(family, type, 0)));
      SetOption(also_mine, SOL_SOCKET, SO_REUSEPORT, 1);
      CHECK_OK(bind(also_mine, address.get(), address.size));
    }

    const int mark = 1;
    As(65534, [&] {
      const Fd fd(CHECK_OK(socket(family, SOCK_STREAM, 0)));
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), EPERM);
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &mark, sizeof(mark)), EPERM);
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &(const int&)7, sizeof(int)), EPERM);
    });
    const Fd fd(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &(const int&)7, sizeof(int)));

    // A user's socket stays usable for whoever is given it, and with the identity it was made
    // under.
    Pair tcp = TcpPair(family);
    As(65534, [&] {
      for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
    });
    CheckAlive(tcp.client, tcp.server);
  }
  return 0;
}
