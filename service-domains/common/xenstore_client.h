// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_
#define VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_

#include <string>
#include <string_view>

namespace vos::service {

// Sets a node of this domain in xenstore, such as data/resolv. Speaks the wire protocol of Xen's
// public header io/xs_wire.h to the kernel, so that the domain needs no Xen libraries. Returns why
// it failed, empty if it did not.
std::string XenstoreWrite(std::string_view path, std::string_view value);

}  // namespace vos::service

#endif  // VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_
