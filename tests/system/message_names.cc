// SPDX-License-Identifier: Apache-2.0
// sendto, recvfrom, sendmsg, recvmsg: destination and source addresses.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    const Fd a = Bound(family, SOCK_DGRAM), b = Bound(family, SOCK_DGRAM),
             c = Bound(family, SOCK_DGRAM);
    const Address to_b = NameOf(b);
    char buffer[64];

    CHECK_FAILS(send(a, "x", 1, 0), EDESTADDRREQ);
    CHECK_EQ(sendto(a, "from a", 6, 0, to_b.get(), to_b.size), 6);
    CHECK_EQ(sendto(c, "from c!", 7, 0, to_b.get(), to_b.size), 7);
    Address from;
    CHECK_EQ(recvfrom(b, buffer, sizeof(buffer), 0, from.get(), &from.size), 6);
    CHECK(from == NameOf(a));
    from = {};
    iovec piece{buffer, sizeof(buffer)};
    msghdr message = {};
    message.msg_name = from.get();
    message.msg_namelen = sizeof(from.storage);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    CHECK_EQ(recvmsg(b, &message, 0), 7);
    from.size = message.msg_namelen;
    CHECK(from == NameOf(c));
    CHECK_EQ(message.msg_flags, 0);

    // A truncated name has its full length; no space, no name.
    CHECK_EQ(sendto(a, "y", 1, 0, to_b.get(), to_b.size), 1);
    Address shortened;
    shortened.size = 2;
    CHECK_EQ(recvfrom(b, buffer, sizeof(buffer), 0, shortened.get(), &shortened.size), 1);
    CHECK_EQ(shortened.size, to_b.size);

    // sendmsg with a name, in pieces.
    char hello[] = "hello";
    iovec pieces[] = {{hello, 2}, {hello + 2, 3}};
    msghdr out = {};
    Address destination = to_b;
    out.msg_name = destination.get();
    out.msg_namelen = destination.size;
    out.msg_iov = pieces;
    out.msg_iovlen = 2;
    CHECK_EQ(sendmsg(a, &out, 0), 5);
    CHECK_EQ(recv(b, buffer, sizeof(buffer), 0), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);

    out.msg_namelen = 3;
    CHECK_FAILS(sendmsg(a, &out, 0), EINVAL);
    CHECK_FAILS(sendto(a, "x", 1, 0, to_b.get(), 4096), EINVAL);

    // On a connected stream a name is ignored by sendto, and recvfrom gives none.
    Pair tcp = TcpPair(family);
    CHECK_EQ(sendto(tcp.client, "z", 1, 0, nullptr, 0), 1);
    Address nobody;
    CHECK_EQ(recvfrom(tcp.server, buffer, 1, 0, nobody.get(), &nobody.size), 1);
    CHECK_EQ(nobody.size, 0);

    // sendmmsg and recvmmsg.
    mmsghdr many[3] = {};
    for (mmsghdr& one : many) {
      one.msg_hdr.msg_name = destination.get();
      one.msg_hdr.msg_namelen = destination.size;
      one.msg_hdr.msg_iov = pieces;
      one.msg_hdr.msg_iovlen = 2;
    }
    CHECK_EQ(sendmmsg(a, many, 3, 0), 3);
    for (const mmsghdr& one : many) CHECK_EQ(one.msg_len, 5);
    char taken[4][16] = {};
    iovec spaces[4];
    mmsghdr in[4] = {};
    Address names[4];
    for (int i = 0; i < 4; i++) {
      spaces[i] = {taken[i], sizeof(taken[i])};
      in[i].msg_hdr.msg_iov = &spaces[i];
      in[i].msg_hdr.msg_iovlen = 1;
      in[i].msg_hdr.msg_name = names[i].get();
      in[i].msg_hdr.msg_namelen = sizeof(names[i].storage);
    }
    for (int i = 0; i < 3; i++) CHECK(Poll(b, POLLIN, kSoon) & POLLIN);
    CHECK_EQ(recvmmsg(b, in, 4, MSG_DONTWAIT, nullptr), 3);
    for (int i = 0; i < 3; i++) {
      CHECK_EQ(in[i].msg_len, 5);
      CHECK(memcmp(taken[i], "hello", 5) == 0);
      names[i].size = in[i].msg_hdr.msg_namelen;
      CHECK(names[i] == NameOf(a));
    }
    CHECK_FAILS(recvmmsg(b, in, 4, MSG_DONTWAIT, nullptr), EAGAIN);
  }
  return 0;
}
