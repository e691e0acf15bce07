// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_PCI_H_
#define VIRTUOS_TOOLS_VOSD_PCI_H_

#include <string>
#include <string_view>

#include "tools/common/result.h"

namespace vos {

// "0000:00:03.0"
bool IsPciAddress(std::string_view text);

struct NetworkDevice {
  std::string address;
  bool assignable;  // belongs to pciback already
};

// Chooses the network device a service domain is to own. `wanted` is its address, or "auto": the
// first one, by address, that is no network interface of the primary. (A driver alone does not
// count: the bus driver of virtio takes every virtio device.) `sysfs` is /sys, or a tree like it.
Result<NetworkDevice> FindNetworkDevice(const std::string& sysfs, const std::string& wanted);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_PCI_H_
