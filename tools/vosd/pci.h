// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_PCI_H_
#define VIRTUOS_TOOLS_VOSD_PCI_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// "0000:00:03.0"
bool IsPciAddress(std::string_view text);

// A device that a service domain is to own.
struct PciDevice {
  std::string address;
  bool assignable;  // belongs to pciback already
};

// In what follows, `wanted` is the device's address, or "auto": the first one, by address, that the
// primary does not use. (A driver alone does not count: the bus driver of virtio takes every virtio
// device.) `sysfs` is /sys, or a tree like it.

// A network device that is no network interface of the primary.
Result<PciDevice> FindNetworkDevice(const std::string& sysfs, const std::string& wanted);

// Whether something in the primary holds a block device, such as "vda": a mounted file system, swap
// space, or another device made of it.
using IsHeld = std::function<bool(const std::string& block_device)>;
bool IsHeldByKernel(const std::string& block_device);

// An NVMe or virtio-blk disk none of whose block devices the primary holds.
Result<PciDevice> FindStorageDevice(const std::string& sysfs, const std::string& wanted,
                                    const IsHeld& is_held);

// A range of a device's registers.
struct PciResource {
  std::uint64_t first;
  std::uint64_t count;  // ports or bytes
  bool ports;

  bool operator==(const PciResource&) const = default;
};
// From a device's `resource` in sysfs: lines of the first and the last address and flags.
std::vector<PciResource> ParseResources(std::string_view text);

// As hypercalls have it: segment, bus, device and function in one number. Of what IsPciAddress().
std::uint32_t PciNumber(std::string_view address);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_PCI_H_
