// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_RESOLVER_H_
#define VIRTUOS_TOOLS_VOSD_RESOLVER_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace vos {

// As many as the C library's resolver uses.
inline constexpr std::size_t kMaxNameServers = 3;
inline constexpr std::size_t kMaxSearchDomains = 6;

struct ResolverConfiguration {
  std::string text;          // contents for resolv.conf; empty: nothing usable
  std::size_t rejected = 0;  // lines and words that were left out
};

// Makes a resolv.conf of what the network domain learnt by DHCP. The domain is not trusted: only
// lines "nameserver ADDRESS", "search NAME..." and "domain NAME" pass, checked and written anew.
ResolverConfiguration MakeResolverConfiguration(std::string_view untrusted);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_RESOLVER_H_
