// SPDX-License-Identifier: Apache-2.0
// bind() gives ephemeral and asked-for ports and the errors of Linux.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const Fd first = Bound(family, type);
      const Address taken = NameOf(first);
      CHECK(taken.port() != 0);
      CHECK_EQ(taken.size, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
      CHECK_EQ(taken.family(), family);

      const Fd second(CHECK_OK(socket(family, type, 0)));
      CHECK_FAILS(bind(second, taken.get(), taken.size), EADDRINUSE);
      CHECK_FAILS(bind(second, taken.get(), 2), EINVAL);
      CHECK_FAILS(bind(second, taken.get(), sizeof(sockaddr_storage) + 1), EINVAL);
      CHECK_FAILS(bind(second, nullptr, taken.size), EFAULT);
      Address elsewhere = Loopback(family);
      if (family == AF_INET)
        inet_pton(AF_INET, "192.0.2.77", &elsewhere.v4().sin_addr);
      else
        inet_pton(AF_INET6, "2001:db8::77", &elsewhere.v6().sin6_addr);
      CHECK_FAILS(bind(second, elsewhere.get(), elsewhere.size), EADDRNOTAVAIL);
      Address foreign = Loopback(family);
      foreign.storage.ss_family = AF_UNIX;
      CHECK_FAILS(bind(second, foreign.get(), foreign.size),
                  family == AF_INET ? EAFNOSUPPORT : EAFNOSUPPORT);

      // A failed bind leaves the socket as it was.
      const Address any = Loopback(family);
      CHECK_OK(bind(second, any.get(), any.size));
      CHECK_FAILS(bind(second, any.get(), any.size), EINVAL);

      // The port is free again after close, and can be asked for.
      const Address freed = NameOf(second);
      const_cast<Fd&>(second).Reset();
      const Fd third(CHECK_OK(socket(family, type, 0)));
      CHECK_OK(bind(third, freed.get(), freed.size));
      CHECK(NameOf(third) == freed);
    }
  }
  CHECK_FAILS(bind(-1, nullptr, 0), EBADF);
  const Fd pipe_like(CHECK_OK(open("/dev/null", O_RDWR)));
  const Address address = Loopback(AF_INET);
  CHECK_FAILS(bind(pipe_like, address.get(), address.size), ENOTSOCK);
  return 0;
}
