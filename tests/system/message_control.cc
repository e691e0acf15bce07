// SPDX-License-Identifier: Apache-2.0
// Ancillary data of IPv4 and IPv6: received destination, TTL and class; sent TTL, class and
// source; truncation.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

namespace {

// The level and type of a family's ancillary data.
struct Kinds {
  int level, want_info, info, want_ttl, ttl, want_class, traffic_class;
};
constexpr Kinds kV4 = {IPPROTO_IP, IP_PKTINFO, IP_PKTINFO, IP_RECVTTL, IP_TTL, IP_RECVTOS, IP_TOS};
constexpr Kinds kV6 = {IPPROTO_IPV6,  IPV6_RECVPKTINFO, IPV6_PKTINFO, IPV6_RECVHOPLIMIT,
                       IPV6_HOPLIMIT, IPV6_RECVTCLASS,  IPV6_TCLASS};

const cmsghdr* Find(msghdr& message, int level, int type) {
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
    if (one->cmsg_level == level && one->cmsg_type == type) return one;
  return nullptr;
}

void CheckTruncated(int from, int to) {
  CHECK_EQ(send(from, "t", 1, 0), 1);
  char byte;
  alignas(cmsghdr) char control[CMSG_SPACE(1)];
  iovec piece{&byte, 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = 8;  // less than a header
  CHECK_EQ(recvmsg(to, &message, 0), 1);
  CHECK(message.msg_flags & MSG_CTRUNC);
  CHECK_EQ(message.msg_controllen, 0);

  CHECK_EQ(send(from, "u", 1, 0), 1);
  message.msg_control = nullptr;
  message.msg_controllen = 0;
  CHECK_EQ(recvmsg(to, &message, 0), 1);
  CHECK(message.msg_flags & MSG_CTRUNC);
}

}  // namespace

int main() {
  for (int family : kFamilies) {
    const Kinds& kinds = family == AF_INET ? kV4 : kV6;
    Pair udp = UdpPair(family);
    SetOption(udp.server, kinds.level, kinds.want_info, 1);
    SetOption(udp.server, kinds.level, kinds.want_ttl, 1);
    SetOption(udp.server, kinds.level, kinds.want_class, 1);

    // Sent with a time to live and a class of its own.
    char byte = 'q';
    iovec piece{&byte, 1};
    alignas(cmsghdr) char control[512] = {};
    msghdr out = {};
    out.msg_iov = &piece;
    out.msg_iovlen = 1;
    out.msg_control = control;
    out.msg_controllen = 2 * CMSG_SPACE(sizeof(int));
    cmsghdr* ttl = CMSG_FIRSTHDR(&out);
    *ttl = {CMSG_LEN(sizeof(int)), kinds.level, kinds.ttl};
    const int hops = 42;
    memcpy(CMSG_DATA(ttl), &hops, sizeof(hops));
    cmsghdr* tos = CMSG_NXTHDR(&out, ttl);
    *tos = {CMSG_LEN(sizeof(int)), kinds.level, kinds.traffic_class};
    const int value = 0x28;
    memcpy(CMSG_DATA(tos), &value, sizeof(value));
    CHECK_EQ(sendmsg(udp.client, &out, 0), 1);

    char received;
    iovec space{&received, 1};
    alignas(cmsghdr) char taken[512] = {};
    msghdr in = {};
    in.msg_iov = &space;
    in.msg_iovlen = 1;
    in.msg_control = taken;
    in.msg_controllen = sizeof(taken);
    CHECK_EQ(recvmsg(udp.server, &in, 0), 1);
    CHECK_EQ(received, 'q');
    CHECK_EQ(in.msg_flags & MSG_CTRUNC, 0);

    const cmsghdr* seen_ttl = Find(in, kinds.level, kinds.ttl);
    CHECK(seen_ttl);
    int seen;
    memcpy(&seen, CMSG_DATA(seen_ttl), sizeof(seen));
    CHECK_EQ(seen, 42);
    const cmsghdr* seen_class = Find(in, kinds.level, kinds.traffic_class);
    CHECK(seen_class);
    CHECK_EQ(*CMSG_DATA(seen_class), 0x28);
    const cmsghdr* info = Find(in, kinds.level, kinds.info);
    CHECK(info);
    if (family == AF_INET) {
      in_pktinfo where;
      memcpy(&where, CMSG_DATA(info), sizeof(where));
      CHECK_EQ(where.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
      CHECK(where.ipi_ifindex > 0);
    } else {
      in6_pktinfo where;
      memcpy(&where, CMSG_DATA(info), sizeof(where));
      CHECK(IN6_IS_ADDR_LOOPBACK(&where.ipi6_addr));
      CHECK(where.ipi6_ifindex > 0);
    }
    CheckTruncated(udp.client, udp.server);

    // Nonsense is refused.
    ttl->cmsg_len = 3;
    CHECK_FAILS(sendmsg(udp.client, &out, 0), EINVAL);
    *ttl = {CMSG_LEN(sizeof(int)), kinds.level, 12345};
    CHECK_FAILS(sendmsg(udp.client, &out, 0), EINVAL);
    out.msg_controllen = 1 << 20;
    CHECK_FAILS(sendmsg(udp.client, &out, 0), ENOBUFS);
  }

  // IPv4: a source address by IP_PKTINFO.
  const Fd from(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
  const Fd to = Bound(AF_INET, SOCK_DGRAM);
  Address destination = NameOf(to);
  char byte = 's';
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(in_pktinfo))] = {};
  msghdr message = {};
  message.msg_name = destination.get();
  message.msg_namelen = destination.size;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* info = CMSG_FIRSTHDR(&message);
  *info = {CMSG_LEN(sizeof(in_pktinfo)), IPPROTO_IP, IP_PKTINFO};
  in_pktinfo where = {};
  inet_pton(AF_INET, "127.0.0.7", &where.ipi_spec_dst);
  memcpy(CMSG_DATA(info), &where, sizeof(where));
  CHECK_EQ(sendmsg(from, &message, 0), 1);
  Address source;
  CHECK_EQ(recvfrom(to, &byte, 1, 0, source.get(), &source.size), 1);
  CHECK_EQ(source.v4().sin_addr.s_addr, where.ipi_spec_dst.s_addr);
  return 0;
}
