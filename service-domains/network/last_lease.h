// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_NETWORK_LAST_LEASE_H_
#define VIRTUOS_SERVICE_DOMAINS_NETWORK_LAST_LEASE_H_

#include <string>

namespace vos::service {

// Gives an interface the address and the route that the last domain's had by DHCP, if vosd told of
// them, until that lease ends; /tmp/last-lease-INTERFACE then says so, "ADDRESS/PREFIX BROADCAST ROUTER",
// to dhcp-event, which takes them away if DHCP says something else.
void RestoreLastLease(const std::string& interface);

}  // namespace vos::service

#endif  // VIRTUOS_SERVICE_DOMAINS_NETWORK_LAST_LEASE_H_
