// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/kill.h"

// The headers are for C.
extern "C" {
#include <xenctrl.h>
#include <xenstore.h>
}

#include <algorithm>
#include <cstdlib>
#include <format>
#include <memory>
#include <random>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/text.h"

namespace vos {
namespace {

// Misuses of shared memory; the domain is given up long before.
constexpr int kGarbageCount = 1'000'000;

struct CloseStore {
  void operator()(xs_handle* handle) const { xs_close(handle); }
};
struct CloseHypervisor {
  void operator()(xc_interface* xen) const { xc_interface_close(xen); }
};

// The domain is at its end at once; taking it apart is left to vosd.
Result<void> EndDomain(std::uint32_t domid) {
  const std::unique_ptr<xc_interface, CloseHypervisor> xen(xc_interface_open(nullptr, nullptr, 0));
  if (!xen) return FailErrno("cannot reach the hypervisor");
  if (xc_domain_shutdown(xen.get(), domid, SHUTDOWN_crash) < 0) {
    return FailErrno(std::format("domain {}", domid));
  }
  return {};
}

std::string Order(const std::string& how) {
  if (how != "ring-garbage") return how;
  return std::format("garbage {} {} 1", std::random_device{}(), kGarbageCount);
}

Result<void> OrderFault(std::uint32_t domid, const KillCommand& command) {
  const std::unique_ptr<xs_handle, CloseStore> store(xs_open(0));
  if (!store) return FailErrno("cannot reach xenstore");
  const std::string node =
      std::format("/local/domain/{}/device/" VOS_XENBUS_TYPE "/0/fault", domid);
  unsigned int length = 0;
  const std::unique_ptr<char, decltype(&std::free)> offered(
      static_cast<char*>(xs_read(store.get(), XBT_NULL, (node + "s").c_str(), &length)), std::free);
  if (!offered) {
    return Fail(std::format(
        "the kernel of the {} domain cannot do that: it was built without fault injection "
        "(CONFIG_VIRTUOS_FAULTS); only --how destroy works",
        command.domain));
  }
  const std::string order = Order(command.how);
  const auto words = SplitWords(std::string_view(offered.get(), length));
  if (std::ranges::find(words, order.substr(0, order.find(' '))) == words.end()) {
    return Fail(std::format("the kernel of the {} domain does not know the fault {}",
                            command.domain, command.how));
  }
  if (!xs_write(store.get(), XBT_NULL, node.c_str(), order.data(), order.size())) {
    return FailErrno(node);
  }
  return {};
}

}  // namespace

Result<void> Kill(std::uint32_t domid, const KillCommand& command) {
  return command.how == "destroy" ? EndDomain(domid) : OrderFault(domid, command);
}

}  // namespace vos
