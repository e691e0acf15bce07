// SPDX-License-Identifier: Apache-2.0
#include "service-domains/network/last_lease.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <format>
#include <fstream>
#include <limits>
#include <string>

#include "service-domains/common/process_one.h"
#include "service-domains/common/xenstore_client.h"
#include "tools/common/file_descriptor.h"
#include "tools/common/lease.h"

namespace vos::service {
namespace {

// A request of rtnetlink: a header, a body, attributes.
template <typename Body>
class Request {
 public:
  Request(std::uint16_t type, const Body& body) {
    const nlmsghdr header = {NLMSG_LENGTH(sizeof(Body)), type,
                             NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, 1, 0};
    bytes_.resize(NLMSG_SPACE(sizeof(Body)));
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &body, sizeof body);
  }

  void Add(std::uint16_t type, const void* value, std::size_t size) {
    const rtattr attribute = {static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    const std::size_t at = bytes_.size();
    bytes_.resize(at + RTA_SPACE(size));
    std::memcpy(bytes_.data() + at, &attribute, sizeof attribute);
    std::memcpy(bytes_.data() + at + RTA_LENGTH(0), value, size);
  }

  void AddAddress(std::uint16_t type, const std::string& text) {
    in_addr address{};
    inet_pton(AF_INET, text.c_str(), &address);
    Add(type, &address, sizeof address);
  }

  // 0, or the errno of the kernel, which has done it when it answers.
  int Make() {
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    const FileDescriptor fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct {
      nlmsghdr header;
      nlmsgerr error;
    } answer{};
    if (!fd || send(fd.get(), bytes_.data(), bytes_.size(), 0) < 0 ||
        recv(fd.get(), &answer, sizeof answer, MSG_TRUNC) < 0) {
      return errno;
    }
    return answer.header.nlmsg_type == NLMSG_ERROR ? -answer.error.error : EPROTO;
  }

 private:
  std::string bytes_;
};

int AddAddress(const Lease& lease, unsigned index, std::uint32_t seconds) {
  Request<ifaddrmsg> request(RTM_NEWADDR, {.ifa_family = AF_INET,
                                           .ifa_prefixlen = static_cast<std::uint8_t>(lease.prefix),
                                           .ifa_flags = 0,
                                           .ifa_scope = RT_SCOPE_UNIVERSE,
                                           .ifa_index = index});
  request.AddAddress(IFA_LOCAL, lease.address);
  request.AddAddress(IFA_ADDRESS, lease.address);
  if (!lease.broadcast.empty()) request.AddAddress(IFA_BROADCAST, lease.broadcast);
  request.Add(IFA_PROTO, &kLastLeaseProtocol, sizeof kLastLeaseProtocol);
  const ifa_cacheinfo lifetime = {.ifa_prefered = seconds, .ifa_valid = seconds};
  request.Add(IFA_CACHEINFO, &lifetime, sizeof lifetime);
  return request.Make();
}

// Like the one that dhcp-event makes of a lease's first router, which so replaces it.
int AddDefaultRoute(const Lease& lease, unsigned index) {
  Request<rtmsg> request(RTM_NEWROUTE, {.rtm_family = AF_INET,
                                        .rtm_table = RT_TABLE_MAIN,
                                        .rtm_protocol = kLastLeaseProtocol,
                                        .rtm_scope = RT_SCOPE_UNIVERSE,
                                        .rtm_type = RTN_UNICAST});
  request.AddAddress(RTA_GATEWAY, lease.router);
  request.Add(RTA_OIF, &index, sizeof index);
  return request.Make();
}

const char* OrNone(const std::string& text) { return text.empty() ? "-" : text.c_str(); }

}  // namespace

void RestoreLastLease(const std::string& interface) {
  // A client was there before: what it got counts, and dhcp-event takes that away itself.
  if (access(("/tmp/begun-" + interface).c_str(), F_OK) == 0) return;
  const auto lease = ParseLease(XenstoreRead(kLastLeaseNode));
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  if (!lease || lease->interface != interface || lease->until <= now) return;
  constexpr std::uint64_t kLongest = std::numeric_limits<std::uint32_t>::max() - 1;
  const auto seconds = static_cast<std::uint32_t>(std::min(lease->until - now, kLongest));
  const unsigned index = if_nametoindex(interface.c_str());
  int error = AddAddress(*lease, index, seconds);
  if (error == 0) {
    std::ofstream("/tmp/last-lease-" + interface)
        << std::format("{}/{} {} {}\n", lease->address, lease->prefix, OrNone(lease->broadcast),
                       OrNone(lease->router));
    if (!lease->router.empty()) error = AddDefaultRoute(*lease, index);
  }
  Log(interface, error == 0 ? std::format("address {}, as in the last domain", lease->address)
                            : std::format("the last lease: {}", std::strerror(error)));
}

}  // namespace vos::service
