// SPDX-License-Identifier: Apache-2.0
// Addresses, routes and link settings that programs made, carried from one network domain to the next.
//
// A domain configures itself when it starts (DHCP). What it then has is the base; what differs from it
// later was done by programs, and is written to a file. In the next domain the differences are made again
// once that one has configured itself, so that a lease which says something else is respected.
#ifndef VIRTUOS_TOOLS_VOSD_NETWORK_KEEPER_H_
#define VIRTUOS_TOOLS_VOSD_NETWORK_KEEPER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// The line a keeper prints when what the file says has been done.
inline constexpr char kKeeperSettled[] = "settled";

// What names an entry of a domain's network, the same in every domain, and the rtnetlink message that
// makes it. Interfaces are named, not numbered: a message holds the number it had in its own domain.
struct NetworkEntry {
  std::string interface;              // empty: none
  std::vector<std::uint8_t> message;  // nlmsghdr and all that follows
};
using NetworkEntries = std::map<std::string, NetworkEntry>;  // by key

struct NetworkChanges {
  NetworkEntries added;    // or changed
  NetworkEntries removed;  // of a changed link: what it was
};

// The entry of a message of a dump; an empty key for what nobody set, such as routes that come with an
// address. `names` are the interfaces by number, and learns from links.
std::string EntryOf(const std::vector<std::uint8_t>& message,
                    std::map<std::uint32_t, std::string>& names, NetworkEntry& entry);

NetworkChanges Difference(const NetworkEntries& base, const NetworkEntries& now);
// The base of a domain in which all this was found when its keeper began: a new domain's own, or, if
// only the supervisor started anew, with the changes already made, which remain differences.
NetworkEntries BaseOf(NetworkEntries found, const NetworkChanges& changes);
// As a file: one line an entry.
std::string FormatChanges(const NetworkChanges& changes);
Result<NetworkChanges> ParseChanges(std::string_view text);

// Runs in the namespace of the network domain until the domain is gone: makes the changes of the file,
// says so on standard output, and keeps the file up to date. `before_lease`: DHCP has not answered; when
// it does another keeper takes over, and what came with the lease is not to be in the file by then.
Result<void> KeepNetwork(const std::string& file, bool before_lease);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_NETWORK_KEEPER_H_
