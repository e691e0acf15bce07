// SPDX-License-Identifier: Apache-2.0
// What a network domain has by DHCP, as it tells vosd and as vosd tells the next domain, which so is
// reachable before it has asked: both are nodes of the domain in xenstore.
#ifndef VIRTUOS_TOOLS_COMMON_LEASE_H_
#define VIRTUOS_TOOLS_COMMON_LEASE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vos {

// Written by the domain, before data/resolv.
inline constexpr char kLeaseNode[] = "data/lease";
// Written by vosd: the last domain's.
inline constexpr char kLastLeaseNode[] = "data/last-lease";

// As the last domain's lease, address and route have this protocol (of rtnetlink) until DHCP answers:
// so they are told from what programs set.
inline constexpr std::uint8_t kLastLeaseProtocol = 'V';

struct Lease {
  std::string interface;
  std::string address;      // IPv4, and so are the next two
  unsigned prefix = 0;      // bits of the network, 8 to 32
  std::string broadcast;    // empty: none
  std::string router;       // the first; empty: none
  std::uint64_t until = 0;  // seconds since 1970

  bool operator==(const Lease&) const = default;
};

// Of "INTERFACE ADDRESS/PREFIX BROADCAST ROUTER UNTIL", with - for none; nothing: it is no such line, or
// no lease of a host in a network.
std::optional<Lease> ParseLease(std::string_view untrusted);
std::string FormatLease(const Lease& lease);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_LEASE_H_
