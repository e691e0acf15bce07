// SPDX-License-Identifier: Apache-2.0
// A subscriber of network changes outlives the network domain: ENOBUFS once, so that it looks anew, then it
// waits; in the next domain it has the same port number and is subscribed to the same groups.
// tier: fast
// boot: shared
// time: 150
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "domain.h"

using namespace vos::testing;

namespace {

Fd Subscribed(uint32_t groups) {
  Fd fd(CHECK_OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)));
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  CHECK_OK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  return fd;
}

uint32_t PortOf(int fd) {
  sockaddr_nl address = {};
  socklen_t size = sizeof(address);
  CHECK_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size));
  return address.nl_pid;
}

// Reads until a message of this type about this address comes.
void Await(int fd, uint16_t type, const char* address) {
  in_addr wanted;
  inet_pton(AF_INET, address, &wanted);
  for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end;) {
    if (!(Poll(fd, POLLIN, kSoon) & POLLIN)) break;
    alignas(nlmsghdr) char buffer[8192];
    ssize_t left = CHECK_OK(recv(fd, buffer, sizeof(buffer), 0));
    for (auto* one = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(one, left);
         one = NLMSG_NEXT(one, left)) {
      if (one->nlmsg_type == type && memmem(one, one->nlmsg_len, &wanted, sizeof(wanted))) return;
    }
  }
  FAIL("no message of type %u about %s", type, address);
}

}  // namespace

int main() {
  const Fd bound = Subscribed(RTMGRP_IPV4_IFADDR);
  const Fd joined = Subscribed(0);
  SetOption(joined, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_IPV4_IFADDR);
  SetOption(joined, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, RTNLGRP_LINK);
  SetOption(joined, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, RTNLGRP_LINK);
  const uint32_t port = PortOf(bound);
  std::atomic<int> error = 0;
  Thread waiting([&] {
    // Real changes may come first: the lease of a domain that has only just begun to serve.
    char buffer[4096];
    while (recv(joined, buffer, sizeof(buffer), 0) >= 0) continue;
    error = errno;
  });
  WaitUntilAsleep(waiting.tid());

  Outage([&] {
    waiting.Join();
    CHECK_EQ(error, ENOBUFS);
    CHECK(Poll(bound, POLLIN, kSoon) & POLLERR);
    char byte;
    CHECK_FAILS(recv(bound, &byte, 1, 0), ENOBUFS);
    CHECK_FAILS(recv(bound, &byte, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_FAILS(recv(joined, &byte, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(Poll(bound, POLLIN, 0), 0);
  });

  CHECK_EQ(PortOf(bound), port);
  Run({"ip", "address", "add", "127.9.8.7/32", "dev", "lo"});
  Await(bound, RTM_NEWADDR, "127.9.8.7");
  Await(joined, RTM_NEWADDR, "127.9.8.7");
  Run({"ip", "address", "del", "127.9.8.7/32", "dev", "lo"});
  Await(bound, RTM_DELADDR, "127.9.8.7");
  return 0;
}
