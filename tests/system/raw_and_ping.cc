// SPDX-License-Identifier: Apache-2.0
// Raw sockets (with CAP_NET_RAW only), ping sockets and UDP-Lite: echoes come back, filters and
// header options hold.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/icmp.h>
#include <netinet/icmp6.h>

#include "testing.h"

using namespace vos::testing;

static void CheckPing(int family, int type) {
  const int protocol = family == AF_INET ? int(IPPROTO_ICMP) : int(IPPROTO_ICMPV6);
  const Fd fd(socket(family, type, protocol));
  if (fd < 0) {
    // Ping sockets are for the groups of ping_group_range.
    CHECK(errno == EACCES || errno == EPERM);
    return;
  }
  icmphdr request = {};
  request.type = family == AF_INET ? int(ICMP_ECHO) : int(ICMP6_ECHO_REQUEST);
  request.un.echo.sequence = htons(77);
  request.un.echo.id = htons(4242);
  if (family == AF_INET && type == SOCK_RAW) {
    uint32_t sum = 0;
    for (size_t i = 0; i < sizeof(request) / 2; i++)
      sum += reinterpret_cast<uint16_t*>(&request)[i];
    request.checksum = static_cast<uint16_t>(~(sum + (sum >> 16)));
  }
  const Address to = Loopback(family);
  CHECK_EQ(sendto(fd, &request, sizeof(request), 0, to.get(), to.size), sizeof(request));
  for (;;) {
    unsigned char answer[256];
    CHECK(Poll(fd, POLLIN, kSoon) & POLLIN);
    const ssize_t got = CHECK_OK(recv(fd, answer, sizeof(answer), 0));
    // A raw IPv4 socket also gets the header, and sees the request on loopback.
    const size_t skip = family == AF_INET && type == SOCK_RAW ? (answer[0] & 15) * 4 : 0;
    CHECK(static_cast<size_t>(got) >= skip + sizeof(icmphdr));
    icmphdr reply;
    memcpy(&reply, answer + skip, sizeof(reply));
    if (reply.type == request.type) continue;
    CHECK_EQ(reply.type, family == AF_INET ? int(ICMP_ECHOREPLY) : int(ICMP6_ECHO_REPLY));
    CHECK_EQ(ntohs(reply.un.echo.sequence), 77);
    break;
  }
}

int main() {
  if (getuid() != 0) SKIP("needs root");
  for (int family : kFamilies) {
    CheckPing(family, SOCK_DGRAM);
    CheckPing(family, SOCK_RAW);
    Join(Fork([&] {
      CHECK_OK(setresuid(65534, 65534, 65534));
      CHECK_FAILS(socket(family, SOCK_RAW, IPPROTO_UDP), EPERM);
    }));

    const Fd lite(socket(family, SOCK_DGRAM, IPPROTO_UDPLITE));
    if (lite >= 0) {
      const Address any = Loopback(family);
      CHECK_OK(bind(lite, any.get(), any.size));
      const Address own = NameOf(lite);
      CHECK_EQ(sendto(lite, "lite", 4, 0, own.get(), own.size), 4);
      char buffer[8];
      CHECK_EQ(recv(lite, buffer, sizeof(buffer), 0), 4);
    } else {
      CHECK_EQ(errno, EPROTONOSUPPORT);
    }
  }

  const Fd v4(CHECK_OK(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)));
  icmp_filter filter = {~(1u << ICMP_ECHOREPLY)}, seen = {};
  CHECK_OK(setsockopt(v4, SOL_RAW, ICMP_FILTER, &filter, sizeof(filter)));
  socklen_t size = sizeof(seen);
  CHECK_OK(getsockopt(v4, SOL_RAW, ICMP_FILTER, &seen, &size));
  CHECK_EQ(seen.data, filter.data);
  SetOption(v4, IPPROTO_IP, IP_HDRINCL, 1);
  CHECK_EQ(Option(v4, IPPROTO_IP, IP_HDRINCL), 1);
  const Fd alert(CHECK_OK(socket(AF_INET, SOCK_RAW, IPPROTO_UDP)));
  SetOption(alert, IPPROTO_IP, IP_ROUTER_ALERT, 1);

  const Fd v6(CHECK_OK(socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)));
  icmp6_filter wanted, got = {};
  ICMP6_FILTER_SETBLOCKALL(&wanted);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &wanted);
  CHECK_OK(setsockopt(v6, IPPROTO_ICMPV6, ICMP6_FILTER, &wanted, sizeof(wanted)));
  size = sizeof(got);
  CHECK_OK(getsockopt(v6, IPPROTO_ICMPV6, ICMP6_FILTER, &got, &size));
  CHECK(memcmp(&wanted, &got, sizeof(got)) == 0);
  const Fd udp6(CHECK_OK(socket(AF_INET6, SOCK_RAW, IPPROTO_UDP)));
  SetOption(udp6, IPPROTO_IPV6, IPV6_CHECKSUM, 6);
  CHECK_EQ(Option(udp6, IPPROTO_IPV6, IPV6_CHECKSUM), 6);
  SetOption(udp6, IPPROTO_IPV6, IPV6_HDRINCL, 1);
  CHECK_EQ(Option(udp6, IPPROTO_IPV6, IPV6_HDRINCL), 1);
  return 0;
}
