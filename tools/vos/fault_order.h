// SPDX-License-Identifier: Apache-2.0
// Orders to the kernel of a service domain that was built with fault injection, through xenstore.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_ORDER_H_
#define VIRTUOS_TOOLS_VOS_FAULT_ORDER_H_

// The header is for C.
extern "C" {
#include <xenstore.h>
}

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tools/common/result.h"
#include "tools/vos/fault_record.h"

namespace vos {

// The text of an order to begin the fault at once, and of one to arm it.
std::string FaultNow(std::string_view kind, std::uint32_t argument);
std::string FaultAt(const PlannedFault& fault);

class FaultOrders {
 public:
  static Result<FaultOrders> Open();

  // Fails if the domain's kernel has no fault injection, or not this fault.
  Result<void> Check(std::uint32_t domid, const std::string& domain, std::string_view kind);
  // To the domain that runs.
  Result<void> Give(std::uint32_t domid, const std::string& order);
  // To the next domain of the kind ("network", "storage"), which takes it away.
  Result<void> Leave(const std::string& kind, const std::string& order);
  // Nobody took it, and nobody is to take it any more.
  void Withdraw(const std::string& kind);

  // Nodes right below a path, and all that are below it.
  std::uint32_t CountChildren(const std::string& path);
  std::uint32_t CountNodes(const std::string& path, int depth = 0);

 private:
  struct Close {
    void operator()(xs_handle* handle) const { xs_close(handle); }
  };
  explicit FaultOrders(xs_handle* store) : store_(store) {}

  std::unique_ptr<xs_handle, Close> store_;
};

// The hypervisor destroys the domain at once, with all it has of it; putting away what the toolstack
// and the back-ends have is left to vosd.
Result<void> EndDomain(std::uint32_t domid);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_ORDER_H_
