// SPDX-License-Identifier: Apache-2.0
// What can be seen of a service domain and of the primary from outside while a fault takes its course.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_OBSERVER_H_
#define VIRTUOS_TOOLS_VOS_FAULT_OBSERVER_H_

// The header is for C.
extern "C" {
#include <xenctrl.h>
}

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/file_descriptor.h"
#include "tools/common/kernel_state.h"
#include "tools/common/result.h"
#include "tools/common/supervisor_state.h"

namespace vos {

// Complete lines that the domains whose names begin so printed on their consoles since the last look.
class ConsoleTail {
 public:
  explicit ConsoleTail(const std::string& domain);
  std::vector<std::string> NewLines();

 private:
  struct Console {
    std::uint64_t position = 0;
    std::string rest;
  };
  std::string prefix_;
  std::map<std::string, Console> consoles_;  // by the names of their logs
};

// Transfers that the hypervisor says an IOMMU refused, since the last look.
class HypervisorLog {
 public:
  static Result<HypervisorLog> Open();
  std::uint32_t NewIommuFaults();

 private:
  struct Close {
    void operator()(xc_interface* xen) const { xc_interface_close(xen); }
  };
  explicit HypervisorLog(xc_interface* xen) : xen_(xen) {}

  std::unique_ptr<xc_interface, Close> xen_;
  std::uint32_t index_ = 0;
  std::string rest_;
};

// The primary kernel's own messages.
class PrimaryLog {
 public:
  static Result<PrimaryLog> Open();
  // The first line since the last look that tells of trouble of the primary itself; empty: none.
  std::string Trouble();

 private:
  explicit PrimaryLog(FileDescriptor log) : log_(std::move(log)) {}

  FileDescriptor log_;
};

// What the primary holds for service domains. The same before and after.
struct HeldResources {
  std::uint64_t pages = 0;     // shared
  std::uint64_t grants = 0;    // of them
  std::uint64_t channels = 0;  // event channels bound by the driver
  std::uint64_t nodes = 0;     // of back-ends in xenstore
  std::uint64_t domains = 0;   // that xenstore knows

  bool operator==(const HeldResources&) const = default;
};

// "grants: 12 more" for each that differs.
std::vector<std::string> Differences(const HeldResources& before, const HeldResources& after);

// What vosd and the kernel say of the domain of a kind ("network", "storage").
struct DomainView {
  Connection connection;
  SupervisedDomain supervised;

  // It serves: connected, and its disk served.
  bool Serves() const;
};
Result<DomainView> ViewOf(const std::string& kind);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_OBSERVER_H_
