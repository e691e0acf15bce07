// SPDX-License-Identifier: Apache-2.0
// Moves a PCI device from a domain that runs no more to one that runs, as libxl_device_pci_remove() and
// libxl_device_pci_add() would, but without asking the dead one for its consent, which they wait ten
// seconds for, and without taking it apart first. What is written is what libxl would have
// written, so that xl lists and destroys the new owner like any other.
//
// In this order, so that the device never does for one domain what another one told it to:
//   1. LetGo()      pciback lets go of the device: interrupts off, reset if the device has a way of
//                   being reset, its first configuration restored, bus mastering and decoding off
//   2. IsLetGo()    true from when that is done
//   3. TakeBack()   the hypervisor's IOMMU takes it from the domain; no domain has it
//   4. Give()       the other domain has it, and hears of it
// The hypervisor itself refuses to assign what another domain still has.
#ifndef VIRTUOS_TOOLS_VOSD_PASSTHROUGH_H_
#define VIRTUOS_TOOLS_VOSD_PASSTHROUGH_H_

#include <cstdint>
#include <string>

#include "tools/common/result.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/xenstore.h"

namespace vos {

// Where libxl notes in xenstore whose a device is: DEVICE/domid. It gives that to nobody else.
inline constexpr char kToolstackDevices[] = "/libxl/pci";

class Passthrough {
 public:
  // Between domains on a machine whose toolstack and back-ends are in domain `primary`.
  Passthrough(Hypervisor& hypervisor, XenStore& store, std::uint32_t primary)
      : hypervisor_(hypervisor), store_(store), primary_(primary) {}

  // `domid` runs no more and never will.
  void LetGo(std::uint32_t domid) const;
  bool IsLetGo(std::uint32_t domid) const;
  Result<void> TakeBack(std::uint32_t domid, const std::string& address) const;
  // `domid` is paravirtualised, may have devices (passthrough="enabled") and has had none yet.
  Result<void> Give(std::uint32_t domid, const std::string& name, const std::string& address) const;

 private:
  // Lets the domain use the device's registers and its interrupt line.
  Result<void> Permit(std::uint32_t domid, const std::string& address) const;
  Result<void> WriteNodes(std::uint32_t domid, const std::string& name,
                          const std::string& address) const;

  Hypervisor& hypervisor_;
  XenStore& store_;
  const std::uint32_t primary_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_PASSTHROUGH_H_
