// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/fault_order.h"

// The header is for C.
extern "C" {
#include <xenctrl.h>
}

#include <algorithm>
#include <cstdlib>
#include <format>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/text.h"

namespace vos {
namespace {

// Where a domain looks for what was left for it: kernel/virtuos/service/fault_point.c.
constexpr char kNext[] = "/virtuos/fault/";
// Deeper than anything the toolstack makes.
constexpr int kMaxDepth = 16;

struct CloseHypervisor {
  void operator()(xc_interface* xen) const { xc_interface_close(xen); }
};
struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

std::string Node(std::uint32_t domid, const char* key) {
  return std::format("/local/domain/{}/device/" VOS_XENBUS_TYPE "/0/{}", domid, key);
}

}  // namespace

std::string FaultNow(std::string_view kind, std::uint32_t argument) {
  return std::format("{} {}", kind, argument);
}

std::string FaultAt(const PlannedFault& fault) {
  return std::format("at {} {} {} {} {}", fault.point, fault.nth, fault.request_class, fault.kind,
                     fault.argument);
}

Result<FaultOrders> FaultOrders::Open() {
  xs_handle* store = xs_open(0);
  if (store == nullptr) return FailErrno("cannot reach xenstore");
  return FaultOrders(store);
}

Result<void> FaultOrders::Check(std::uint32_t domid, const std::string& domain,
                                std::string_view kind) {
  unsigned int length = 0;
  const std::unique_ptr<char, Free> offered(
      static_cast<char*>(xs_read(store_.get(), XBT_NULL, Node(domid, "faults").c_str(), &length)));
  if (!offered) {
    return Fail(
        std::format("the kernel of the {} domain has no fault injection (it was built with "
                    "CONFIG=release); only --how destroy works",
                    domain));
  }
  const auto words = SplitWords(std::string_view(offered.get(), length));
  if (std::ranges::find(words, kind) == words.end()) {
    return Fail(
        std::format("the kernel of the {} domain does not know the fault {}", domain, kind));
  }
  return {};
}

Result<void> FaultOrders::Give(std::uint32_t domid, const std::string& order) {
  const std::string node = Node(domid, "fault");
  if (xs_write(store_.get(), XBT_NULL, node.c_str(), order.data(), order.size())) return {};
  return FailErrno(node);
}

Result<void> FaultOrders::Leave(const std::string& kind, const std::string& order) {
  const std::string node = kNext + kind;
  // The domain that is to take it away does not exist yet.
  xs_permissions everybody{};
  everybody.perms = XS_PERM_READ | XS_PERM_WRITE;
  if (xs_write(store_.get(), XBT_NULL, node.c_str(), order.data(), order.size()) &&
      xs_set_permissions(store_.get(), XBT_NULL, node.c_str(), &everybody, 1)) {
    return {};
  }
  return FailErrno(node);
}

void FaultOrders::Withdraw(const std::string& kind) {
  xs_rm(store_.get(), XBT_NULL, (kNext + kind).c_str());
}

std::uint32_t FaultOrders::CountChildren(const std::string& path) {
  unsigned int count = 0;
  const std::unique_ptr<char*, Free> names(
      xs_directory(store_.get(), XBT_NULL, path.c_str(), &count));
  return names ? count : 0;
}

std::uint32_t FaultOrders::CountNodes(const std::string& path, int depth) {
  unsigned int count = 0;
  const std::unique_ptr<char*, Free> names(
      xs_directory(store_.get(), XBT_NULL, path.c_str(), &count));
  if (!names || depth > kMaxDepth) return 0;
  std::uint32_t nodes = count;
  for (unsigned int i = 0; i < count; ++i) {
    nodes += CountNodes(path + "/" + names.get()[i], depth + 1);
  }
  return nodes;
}

Result<void> EndDomain(std::uint32_t domid) {
  const std::unique_ptr<xc_interface, CloseHypervisor> xen(xc_interface_open(nullptr, nullptr, 0));
  if (!xen) return FailErrno("cannot reach the hypervisor");
  if (xc_domain_destroy(xen.get(), domid) < 0) {
    return FailErrno(std::format("domain {}", domid));
  }
  return {};
}

}  // namespace vos
