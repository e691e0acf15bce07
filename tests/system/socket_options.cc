// SPDX-License-Identifier: Apache-2.0
// Options read back what was set, at every level, with short and long buffers and with errors of
// Linux.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static void CheckFlag(int fd, int level, int name) {
  SetOption(fd, level, name, 1);
  CHECK_EQ(Option(fd, level, name), 1);
  SetOption(fd, level, name, 0);
  CHECK_EQ(Option(fd, level, name), 0);
}

int main() {
  for (int family : kFamilies) {
    const Fd tcp(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    const Fd udp(CHECK_OK(socket(family, SOCK_DGRAM, 0)));
    for (int fd : {int(tcp), int(udp)}) {
      const bool stream = fd == tcp;
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_DOMAIN), family);
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_TYPE), stream ? SOCK_STREAM : SOCK_DGRAM);
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_PROTOCOL), stream ? IPPROTO_TCP : IPPROTO_UDP);
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_ERROR), 0);
      for (int name : {SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE,
                       SO_DONTROUTE, SO_TIMESTAMP})
        CheckFlag(fd, SOL_SOCKET, name);

      // Buffers are doubled and have a minimum.
      for (int name : {SO_RCVBUF, SO_SNDBUF}) {
        SetOption(fd, SOL_SOCKET, name, 20'000);
        CHECK_EQ(Option(fd, SOL_SOCKET, name), 40'000);
        SetOption(fd, SOL_SOCKET, name, 1);
        CHECK(Option(fd, SOL_SOCKET, name) > 1);
      }
      const struct linger set = {1, 7};
      CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &set, sizeof(set)));
      struct linger seen = {};
      socklen_t size = sizeof(seen);
      CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &seen, &size));
      CHECK(seen.l_onoff == 1 && seen.l_linger == 7 && size == sizeof(seen));
      SetOption(fd, SOL_SOCKET, SO_PRIORITY, 5);
      CHECK_EQ(Option(fd, SOL_SOCKET, SO_PRIORITY), 5);

      // Lengths: too short a value, a truncated answer, more space than needed.
      const int one = 1;
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, 3), EINVAL);
      char answer[16];
      memset(answer, 0x5a, sizeof(answer));
      size = 2;
      CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, answer, &size));
      CHECK_EQ(size, 2);
      CHECK_EQ(answer[2], 0x5a);
      size = sizeof(answer);
      CHECK_OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, answer, &size));
      CHECK_EQ(size, 4);
      CHECK_EQ(answer[4], 0x5a);
      size = -1;
      CHECK_FAILS(getsockopt(fd, SOL_SOCKET, SO_TYPE, answer, &size), EINVAL);
      size = sizeof(answer);
      CHECK_FAILS(getsockopt(fd, SOL_SOCKET, 9999, answer, &size), ENOPROTOOPT);
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, 9999, &one, sizeof(one)), ENOPROTOOPT);
      CHECK_FAILS(setsockopt(fd, SOL_SOCKET, SO_TYPE, &one, sizeof(one)), ENOPROTOOPT);
      CHECK_EQ(getsockopt(fd, 12345, 1, answer, &size), -1);
      CHECK(errno == ENOPROTOOPT || errno == EOPNOTSUPP);
      CHECK_FAILS(getsockopt(-1, SOL_SOCKET, SO_TYPE, answer, &size), EBADF);

      if (family == AF_INET) {
        SetOption(fd, IPPROTO_IP, IP_TTL, 17);
        CHECK_EQ(Option(fd, IPPROTO_IP, IP_TTL), 17);
        SetOption(fd, IPPROTO_IP, IP_TOS, 0x10);
        CHECK_EQ(Option(fd, IPPROTO_IP, IP_TOS), 0x10);
        CHECK_FAILS(setsockopt(fd, IPPROTO_IP, IP_TTL, &(const int&)300, sizeof(int)), EINVAL);
      } else {
        SetOption(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 17);
        CHECK_EQ(Option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS), 17);
        CheckFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
        CheckFlag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
      }
    }
    CheckFlag(tcp, IPPROTO_TCP, TCP_NODELAY);
    CheckFlag(tcp, IPPROTO_TCP, TCP_CORK);
    for (auto [name, value] : {std::pair{TCP_KEEPIDLE, 33},
                               {TCP_KEEPINTVL, 11},
                               {TCP_KEEPCNT, 4},
                               {TCP_USER_TIMEOUT, 5000},
                               {TCP_SYNCNT, 3},
                               {TCP_DEFER_ACCEPT, 0}}) {
      SetOption(tcp, IPPROTO_TCP, name, value);
      CHECK_EQ(Option(tcp, IPPROTO_TCP, name), value);
    }
    SetOption(tcp, IPPROTO_TCP, TCP_MAXSEG, 1000);
    CHECK_FAILS(setsockopt(tcp, IPPROTO_TCP, TCP_KEEPCNT, &(const int&)1000, sizeof(int)), EINVAL);
    char algorithm[32] = {};
    socklen_t size = sizeof(algorithm);
    CHECK_OK(getsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, algorithm, &size));
    CHECK(algorithm[0]);
    CHECK_OK(setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, algorithm, strlen(algorithm)));
    CHECK_FAILS(setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8), ENOENT);

    Pair pair = TcpPair(family);
    tcp_info info = {};
    size = sizeof(info);
    CHECK_OK(getsockopt(pair.client, IPPROTO_TCP, TCP_INFO, &info, &size));
    CHECK_EQ(info.tcpi_state, TCP_ESTABLISHED);

    // An accepted socket inherits.
    const Fd listener = Listening(family);
    SetOption(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    const Fd client = Connected(NameOf(listener));
    const Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
    CHECK_EQ(Option(server, IPPROTO_TCP, TCP_NODELAY), 1);
    CHECK_EQ(Option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    CHECK_EQ(Option(server, SOL_SOCKET, SO_DOMAIN), family);
  }
  return 0;
}
