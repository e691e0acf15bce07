// SPDX-License-Identifier: Apache-2.0
// IP_RECVERR and IPV6_RECVERR: what ICMP reported is read with MSG_ERRQUEUE, with the offender and
// the packet it was about; POLLERR tells that there is something.
// tier: fast
// boot: shared
// variants: trap shim local
#include <time.h>
// needs timespec
#include <linux/errqueue.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    const int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    const int name = family == AF_INET ? IP_RECVERR : IPV6_RECVERR;
    const Fd fd(CHECK_OK(socket(family, SOCK_DGRAM, 0)));
    SetOption(fd, level, name, 1);
    CHECK_EQ(Option(fd, level, name), 1);
    char buffer[64];
    CHECK_FAILS(recv(fd, buffer, sizeof(buffer), MSG_ERRQUEUE), EAGAIN);

    const Address nobody = NameOf(Bound(family, SOCK_DGRAM));
    CHECK_EQ(sendto(fd, "lost?", 5, 0, nobody.get(), nobody.size), 5);
    CHECK(Poll(fd, 0, kSoon) & POLLERR);

    Address about;
    iovec piece{buffer, sizeof(buffer)};
    alignas(cmsghdr) char control[512];
    msghdr message = {};
    message.msg_name = about.get();
    message.msg_namelen = sizeof(about.storage);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    CHECK_EQ(recvmsg(fd, &message, MSG_ERRQUEUE), 5);
    CHECK(message.msg_flags & MSG_ERRQUEUE);
    CHECK(memcmp(buffer, "lost?", 5) == 0);
    CHECK_EQ(about.port(), nobody.port());
    bool found = false;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
      if (one->cmsg_level != level || one->cmsg_type != name) continue;
      sock_extended_err error;
      memcpy(&error, CMSG_DATA(one), sizeof(error));
      CHECK_EQ(error.ee_errno, ECONNREFUSED);
      CHECK_EQ(error.ee_origin, family == AF_INET ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6);
      found = true;
    }
    CHECK(found);
    CHECK_FAILS(recv(fd, buffer, sizeof(buffer), MSG_ERRQUEUE), EAGAIN);
    SetOption(fd, level, family == AF_INET ? IP_RECVERR_RFC4884 : IPV6_RECVERR_RFC4884, 1);
  }
  return 0;
}
