// SPDX-License-Identifier: Apache-2.0
// Multicast over loopback: joining by every interface of both families, source filters, options.
// tier: fast
// boot: shared
// variants: trap shim local
#include <net/if.h>

#include "testing.h"

using namespace vos::testing;

static void CheckArrives(int from, int to, const Address& group, bool expected) {
  CHECK_EQ(sendto(from, "m", 1, 0, group.get(), group.size), 1);
  char byte;
  if (expected) {
    CHECK(Poll(to, POLLIN, kSoon) & POLLIN);
    CHECK_EQ(recv(to, &byte, 1, 0), 1);
  } else {
    CHECK_EQ(Poll(to, POLLIN, 100), 0);
  }
}

int main() {
  const int loopback = static_cast<int>(if_nametoindex("lo"));
  {
    const Fd receiver(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
    Address group = Loopback(AF_INET);
    group.v4().sin_addr.s_addr = INADDR_ANY;
    CHECK_OK(bind(receiver, group.get(), group.size));
    group = Loopback(AF_INET, NameOf(receiver).port());
    inet_pton(AF_INET, "239.7.7.7", &group.v4().sin_addr);
    SetOption(receiver, IPPROTO_IP, IP_MULTICAST_ALL, 0);

    const Fd sender(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
    ip_mreqn request = {};
    request.imr_multiaddr = group.v4().sin_addr;
    request.imr_ifindex = loopback;
    CHECK_OK(setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof(request)));
    for (auto [name, value] : {std::pair{IP_MULTICAST_TTL, 3}, {IP_MULTICAST_LOOP, 1}}) {
      SetOption(sender, IPPROTO_IP, name, value);
      CHECK_EQ(Option(sender, IPPROTO_IP, name), value);
    }
    const Address own = Loopback(AF_INET);
    CHECK_OK(bind(sender, own.get(), own.size));

    CheckArrives(sender, receiver, group, false);
    CHECK_OK(setsockopt(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)));
    CHECK_FAILS(setsockopt(receiver, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)),
                EADDRINUSE);
    CheckArrives(sender, receiver, group, true);
    // Not from this source.
    ip_mreq_source source = {};
    source.imr_multiaddr = group.v4().sin_addr;
    source.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
    source.imr_sourceaddr.s_addr = htonl(INADDR_LOOPBACK);
    const int blocked = setsockopt(receiver, IPPROTO_IP, IP_BLOCK_SOURCE, &source, sizeof(source));
    if (blocked == 0) {
      CheckArrives(sender, receiver, group, false);
      CHECK_OK(setsockopt(receiver, IPPROTO_IP, IP_UNBLOCK_SOURCE, &source, sizeof(source)));
      CheckArrives(sender, receiver, group, true);
    }
    CHECK_OK(setsockopt(receiver, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)));
    CheckArrives(sender, receiver, group, false);

    // The interface that names no family.
    group_req any_family = {};
    any_family.gr_interface = loopback;
    memcpy(&any_family.gr_group, group.get(), group.size);
    CHECK_OK(setsockopt(receiver, IPPROTO_IP, MCAST_JOIN_GROUP, &any_family, sizeof(any_family)));
    CheckArrives(sender, receiver, group, true);
    CHECK_OK(setsockopt(receiver, IPPROTO_IP, MCAST_LEAVE_GROUP, &any_family, sizeof(any_family)));
  }
  {
    const Fd receiver(CHECK_OK(socket(AF_INET6, SOCK_DGRAM, 0)));
    Address group = Loopback(AF_INET6);
    group.v6().sin6_addr = in6addr_any;
    CHECK_OK(bind(receiver, group.get(), group.size));
    group = Loopback(AF_INET6, NameOf(receiver).port());
    inet_pton(AF_INET6, "ff01::7777", &group.v6().sin6_addr);
    group.v6().sin6_scope_id = loopback;
    const Fd sender(CHECK_OK(socket(AF_INET6, SOCK_DGRAM, 0)));
    for (auto [name, value] : {std::pair{IPV6_MULTICAST_HOPS, 3},
                               {IPV6_MULTICAST_LOOP, 1},
                               {IPV6_MULTICAST_IF, loopback}}) {
      SetOption(sender, IPPROTO_IPV6, name, value);
      CHECK_EQ(Option(sender, IPPROTO_IPV6, name), value);
    }
    ipv6_mreq request = {};
    request.ipv6mr_multiaddr = group.v6().sin6_addr;
    request.ipv6mr_interface = loopback;
    CHECK_OK(setsockopt(receiver, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof(request)));
    // Loopback may have no route for multicast; then joining and leaving is all that can be seen.
    char byte;
    if (sendto(sender, "m", 1, 0, group.get(), group.size) == 1) {
      CHECK(Poll(receiver, POLLIN, kSoon) & POLLIN);
      CHECK_EQ(recv(receiver, &byte, 1, 0), 1);
    }
    CHECK_OK(setsockopt(receiver, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &request, sizeof(request)));
    CHECK_FAILS(setsockopt(receiver, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &request, sizeof(request)),
                EADDRNOTAVAIL);
    ipv6_mreq anycast = {};
    inet_pton(AF_INET6, "::1", &anycast.ipv6mr_multiaddr);
    anycast.ipv6mr_interface = loopback;
    // An address of the interface cannot be an anycast address at the same time.
    CHECK_EQ(setsockopt(receiver, IPPROTO_IPV6, IPV6_JOIN_ANYCAST, &anycast, sizeof(anycast)), -1);
    CHECK(errno == EINVAL || errno == EADDRNOTAVAIL || errno == EPERM);
  }
  return 0;
}
