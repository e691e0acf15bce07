// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_HYPERVISOR_H_
#define VIRTUOS_TOOLS_VOSD_HYPERVISOR_H_

// The header is for C.
extern "C" {
#include <xenctrl.h>
}

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/common/result.h"
#include "tools/vosd/silence.h"

namespace vos {

struct DomainHealth {
  bool alive;          // it may run
  bool gone;           // destroyed, even if the hypervisor still gives its memory back
  std::string reason;  // why it is not alive
};

class Hypervisor {
 public:
  static Result<Hypervisor> Open();

  // Whether an IOMMU lets a domain own a device.
  bool CanPassThrough();
  DomainHealth Health(std::uint32_t domid);
  // Nothing: there is no such domain.
  std::optional<DomainSample> Sample(std::uint32_t domid);
  // Its share of a processor that other domains want, too: processors are given by weight.
  Result<void> SetWeight(std::uint32_t domid, std::uint16_t weight);
  // It runs no more, but still has to be destroyed.
  void Stop(std::uint32_t domid);

  // For the owner of a device: its ports, its registers in memory (of whole pages), its interrupt.
  Result<void> PermitPorts(std::uint32_t domid, std::uint64_t first, std::uint64_t count);
  Result<void> PermitMemory(std::uint32_t domid, std::uint64_t address, std::uint64_t bytes);
  Result<void> PermitInterrupt(std::uint32_t domid, std::uint32_t line);
  // What a device may reach of memory is its domain's. `device` is a PciNumber().
  Result<void> GiveDevice(std::uint32_t domid, std::uint32_t device);
  Result<void> TakeDevice(std::uint32_t domid, std::uint32_t device);

 private:
  struct Close {
    void operator()(xc_interface* xen) const { xc_interface_close(xen); }
  };
  explicit Hypervisor(xc_interface* xen) : xen_(xen) {}

  std::unique_ptr<xc_interface, Close> xen_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_HYPERVISOR_H_
