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

// As it is written usually, and all of it.
bool IsAddress(const std::string& text) {
  in_addr address;
  char usual[INET_ADDRSTRLEN];
  return inet_pton(AF_INET, text.c_str(), &address) == 1 &&
         inet_ntop(AF_INET, &address, usual, sizeof usual) != nullptr && text == usual;
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
  if (!prefix || *prefix == 0 || *prefix > 32 || !until) return std::nullopt;
  Lease lease{.interface = std::string(words[0]),
              .address = std::string(words[1].substr(0, slash)),
              .prefix = *prefix,
              .broadcast = words[2] == kNone ? std::string() : std::string(words[2]),
              .router = words[3] == kNone ? std::string() : std::string(words[3]),
              .until = *until};
  if (!IsInterface(lease.interface) || !IsAddress(lease.address) ||
      (!lease.broadcast.empty() && !IsAddress(lease.broadcast)) ||
      (!lease.router.empty() && !IsAddress(lease.router))) {
    return std::nullopt;
  }
  return lease;
}

std::string FormatLease(const Lease& lease) {
  return std::format("{} {}/{} {} {} {}", lease.interface, lease.address, lease.prefix,
                     lease.broadcast.empty() ? kNone : lease.broadcast,
                     lease.router.empty() ? kNone : lease.router, lease.until);
}

}  // namespace vos
