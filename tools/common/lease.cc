// SPDX-License-Identifier: Apache-2.0
#include "tools/common/lease.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <format>

#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::string_view kNone = "-";
// Of a network of class A, the largest there is.
constexpr unsigned kMinPrefix = 8;

// Of an address as it is written usually, and nothing else.
std::optional<std::uint32_t> ParseAddress(const std::string& text) {
  in_addr address;
  char usual[INET_ADDRSTRLEN];
  if (inet_pton(AF_INET, text.c_str(), &address) != 1 ||
      inet_ntop(AF_INET, &address, usual, sizeof usual) == nullptr || text != usual) {
    return std::nullopt;
  }
  return ntohl(address.s_addr);
}

// One that a host may have: not this network's, the loopback's, of a group, or beyond.
bool IsOfHost(std::uint32_t address) {
  const std::uint32_t first = address >> 24;
  return first != 0 && first != IN_LOOPBACKNET && first < 224;
}

bool IsConsistent(const Lease& lease) {
  const auto address = ParseAddress(lease.address);
  if (!address || !IsOfHost(*address)) return false;
  const std::uint32_t hosts = lease.prefix == 32 ? 0 : 0xffffffffu >> lease.prefix;
  const std::uint32_t broadcast = *address | hosts;
  // All bits of a host set or none: the network's own, but for networks of two hosts or one.
  const auto of_network = [&](std::uint32_t one) {
    return hosts > 1 && ((one & hosts) == 0 || (one & hosts) == hosts);
  };
  if (of_network(*address)) return false;
  if (!lease.broadcast.empty() && ParseAddress(lease.broadcast) != broadcast) return false;
  if (lease.router.empty()) return true;
  const auto router = ParseAddress(lease.router);
  return router && *router != *address && !of_network(*router) && (*router | hosts) == broadcast;
}

bool IsInterface(std::string_view name) {
  const auto usual = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() < IFNAMSIZ && std::ranges::all_of(name, usual);
}

}  // namespace

std::optional<Lease> ParseLease(std::string_view untrusted) {
  const auto words = SplitWords(Trim(untrusted));
  if (words.size() != 5) return std::nullopt;
  const std::size_t slash = words[1].find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto prefix = ParseDecimal<unsigned>(words[1].substr(slash + 1));
  const auto until = ParseDecimal<std::uint64_t>(words[4]);
  if (!prefix || *prefix < kMinPrefix || *prefix > 32 || !until) return std::nullopt;
  Lease lease{.interface = std::string(words[0]),
              .address = std::string(words[1].substr(0, slash)),
              .prefix = *prefix,
              .broadcast = words[2] == kNone ? std::string() : std::string(words[2]),
              .router = words[3] == kNone ? std::string() : std::string(words[3]),
              .until = *until};
  if (!IsInterface(lease.interface) || !IsConsistent(lease)) return std::nullopt;
  return lease;
}

std::string FormatLease(const Lease& lease) {
  return std::format("{} {}/{} {} {} {}", lease.interface, lease.address, lease.prefix,
                     lease.broadcast.empty() ? kNone : lease.broadcast,
                     lease.router.empty() ? kNone : lease.router, lease.until);
}

}  // namespace vos
