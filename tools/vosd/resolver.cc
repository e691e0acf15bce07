// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxLabel = 63;

// The address in its canonical form; empty: it is none.
std::string CanonicalAddress(std::string_view text) {
  const std::string address(text);
  char canonical[INET6_ADDRSTRLEN];
  unsigned char binary[sizeof(in6_addr)];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, address.c_str(), binary) == 1 &&
        inet_ntop(family, binary, canonical, sizeof canonical) != nullptr) {
      return canonical;
    }
  }
  return {};
}

bool IsDomainName(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxName) return false;
  std::size_t label = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && c != '_' && (c != '-' || label == 0)) return false;
    if (++label > kMaxLabel) return false;
  }
  return label > 0;
}

}  // namespace

ResolverConfiguration MakeResolverConfiguration(std::string_view untrusted) {
  ResolverConfiguration configuration;
  std::vector<std::string> servers;
  std::vector<std::string_view> domains;
  for (const std::string_view line : SplitLines(untrusted)) {
    const auto words = SplitWords(line);
    if (words.empty()) continue;
    if (words[0] == "nameserver" && words.size() == 2) {
      const std::string address = CanonicalAddress(words[1]);
      if (address.empty() || servers.size() == kMaxNameServers) {
        ++configuration.rejected;
      } else if (!std::ranges::contains(servers, address)) {
        servers.push_back(address);
      }
    } else if (words[0] == "search" || words[0] == "domain") {
      for (std::size_t i = 1; i < words.size(); ++i) {
        if (!IsDomainName(words[i]) || domains.size() == kMaxSearchDomains) {
          ++configuration.rejected;
        } else {
          domains.push_back(words[i]);
        }
      }
    } else {
      ++configuration.rejected;
    }
  }
  if (servers.empty()) return configuration;
  configuration.text = "# From the network domain, written by vosd.\n";
  if (!domains.empty()) {
    configuration.text += "search";
    for (const std::string_view domain : domains) configuration.text.append(" ").append(domain);
    configuration.text += "\n";
  }
  for (const std::string& server : servers) configuration.text += "nameserver " + server + "\n";
  return configuration;
}

}  // namespace vos
