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
  // It runs no more, but still has to be destroyed.
  void Stop(std::uint32_t domid);

 private:
  struct Close {
    void operator()(xc_interface* xen) const { xc_interface_close(xen); }
  };
  explicit Hypervisor(xc_interface* xen) : xen_(xen) {}

  std::unique_ptr<xc_interface, Close> xen_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_HYPERVISOR_H_
