// SPDX-License-Identifier: Apache-2.0
// rtnetlink: a dump, a change with its notification to a subscriber, an error reported; sock_diag
// finds a socket; credentials of messages; options of netlink sockets.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>

#include "testing.h"

using namespace vos::testing;

namespace {

struct AddressMessage {
  nlmsghdr header;
  ifaddrmsg body;
  rtattr attribute;
  in_addr address;
};

AddressMessage Change(uint16_t type, uint16_t flags, const char* address) {
  AddressMessage message = {};
  message.header = {sizeof(message), type, static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags),
                    5, 0};
  message.body.ifa_family = AF_INET;
  message.body.ifa_prefixlen = 32;
  message.body.ifa_index = if_nametoindex("lo");
  message.attribute = {RTA_LENGTH(sizeof(in_addr)), IFA_LOCAL};
  inet_pton(AF_INET, address, &message.address);
  return message;
}

// The error of the answer.
int Ask(int fd, const void* message, size_t size) {
  CHECK_EQ(send(fd, message, size, 0), size);
  alignas(nlmsghdr) char buffer[8192];
  const ssize_t got = CHECK_OK(recv(fd, buffer, sizeof(buffer), 0));
  const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer);
  CHECK(NLMSG_OK(answer, static_cast<unsigned>(got)));
  CHECK_EQ(answer->nlmsg_type, NLMSG_ERROR);
  return reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error;
}

Fd Netlink(int protocol, uint32_t groups = 0) {
  Fd fd(CHECK_OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)));
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  CHECK_OK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)));
  return fd;
}

}  // namespace

int main() {
  const Fd fd = Netlink(NETLINK_ROUTE);
  sockaddr_nl own = {};
  socklen_t size = sizeof(own);
  CHECK_OK(getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size));
  CHECK_EQ(own.nl_family, AF_NETLINK);
  CHECK(own.nl_pid != 0);
  CHECK_EQ(Option(fd, SOL_SOCKET, SO_DOMAIN), AF_NETLINK);
  for (int name : {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS, NETLINK_CAP_ACK,
                   NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK}) {
    SetOption(fd, SOL_NETLINK, name, 1);
    CHECK_EQ(Option(fd, SOL_NETLINK, name), 1);
    SetOption(fd, SOL_NETLINK, name, 0);
  }

  // A dump of links holds loopback, and ends.
  struct {
    nlmsghdr header;
    ifinfomsg body;
  } dump = {{sizeof(dump), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 3, 0}, {}};
  CHECK_EQ(send(fd, &dump, sizeof(dump), 0), sizeof(dump));
  bool loopback = false, done = false;
  while (!done) {
    alignas(nlmsghdr) char buffer[16384];
    sockaddr_nl from = {};
    size = sizeof(from);
    ssize_t left = CHECK_OK(
        recvfrom(fd, buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &size));
    CHECK_EQ(from.nl_pid, 0);
    for (auto* one = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(one, left);
         one = NLMSG_NEXT(one, left)) {
      CHECK_EQ(one->nlmsg_seq, 3);
      done |= one->nlmsg_type == NLMSG_DONE;
      if (one->nlmsg_type == RTM_NEWLINK)
        loopback |= (static_cast<ifinfomsg*>(NLMSG_DATA(one))->ifi_flags & IFF_LOOPBACK) != 0;
    }
  }
  CHECK(loopback);

  if (getuid() == 0) {
    // A change reaches who subscribed, and can be used.
    const Fd subscriber = Netlink(NETLINK_ROUTE, RTMGRP_IPV4_IFADDR);
    const AddressMessage add = Change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "127.9.8.7");
    CHECK_EQ(Ask(fd, &add, sizeof(add)), 0);
    CHECK(Poll(subscriber, POLLIN, kSoon) & POLLIN);
    alignas(nlmsghdr) char buffer[4096];
    CHECK(CHECK_OK(recv(subscriber, buffer, sizeof(buffer), 0)) > 0);
    CHECK_EQ(reinterpret_cast<nlmsghdr*>(buffer)->nlmsg_type, RTM_NEWADDR);
    CHECK_EQ(Ask(fd, &add, sizeof(add)), -EEXIST);
    {
      const Fd bound(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
      Address address = Loopback(AF_INET);
      address.v4().sin_addr = add.address;
      CHECK_OK(bind(bound, address.get(), address.size));
    }
    const AddressMessage remove = Change(RTM_DELADDR, 0, "127.9.8.7");
    CHECK_EQ(Ask(fd, &remove, sizeof(remove)), 0);
    CHECK_EQ(Ask(fd, &remove, sizeof(remove)), -EADDRNOTAVAIL);
    // Without privilege it is refused.
    Join(Fork([&] {
      CHECK_OK(setresuid(65534, 65534, 65534));
      const Fd plain = Netlink(NETLINK_ROUTE);
      CHECK_EQ(Ask(plain, &add, sizeof(add)), -EPERM);
    }));
  }

  // sock_diag knows a listener of ours.
  const Fd listener = Listening(AF_INET);
  const Fd diagnosis = Netlink(NETLINK_SOCK_DIAG);
  struct {
    nlmsghdr header;
    inet_diag_req_v2 body;
  } question = {{sizeof(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 9, 0}, {}};
  question.body.sdiag_family = AF_INET;
  question.body.sdiag_protocol = IPPROTO_TCP;
  question.body.idiag_states = 1 << TCP_LISTEN;
  CHECK_EQ(send(diagnosis, &question, sizeof(question), 0), sizeof(question));
  bool found = false;
  for (done = false; !done;) {
    alignas(nlmsghdr) char buffer[16384];
    ssize_t left = CHECK_OK(recv(diagnosis, buffer, sizeof(buffer), 0));
    for (auto* one = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(one, left);
         one = NLMSG_NEXT(one, left)) {
      done |= one->nlmsg_type == NLMSG_DONE || one->nlmsg_type == NLMSG_ERROR;
      if (one->nlmsg_type == SOCK_DIAG_BY_FAMILY)
        found |= static_cast<inet_diag_msg*>(NLMSG_DATA(one))->id.idiag_sport ==
                 htons(NameOf(listener).port());
    }
  }
  CHECK(found);

  // SO_PASSCRED: the kernel's messages carry credentials.
  SetOption(fd, SOL_SOCKET, SO_PASSCRED, 1);
  CHECK_EQ(Option(fd, SOL_SOCKET, SO_PASSCRED), 1);

  // Local by design: the primary's own kernel answers.
  const int uevent = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
  if (uevent >= 0) close(uevent);
  const int user = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
  CHECK_OK(user);
  return 0;
}
