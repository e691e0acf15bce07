// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/kill.h"

#include <chrono>
#include <format>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "tools/vos/fault_model.h"
#include "tools/vos/fault_observer.h"
#include "tools/vos/fault_order.h"
#include "tools/vos/granted_page.h"

namespace vos {
namespace {

using std::chrono::milliseconds;

// A transfer that the IOMMU refuses is told of within this.
constexpr milliseconds kDeviceLimit{4000};
constexpr milliseconds kLook{20};
// What may follow the first refusal.
constexpr milliseconds kAfterwards{300};

// The page belongs to this process: it sees the transfer through.
Result<std::string> AimDevice(std::uint32_t domid, FaultOrders& orders, PlannedFault fault,
                              bool at_point) {
  auto page = GrantedPage::Create(domid);
  if (!page) return std::unexpected(page.error());
  auto hypervisor = HypervisorLog::Open();
  if (!hypervisor) return std::unexpected(hypervisor.error());
  fault.argument = page->reference();
  const std::string order = at_point ? FaultAt(fault) : FaultNow(fault.kind, fault.argument);
  if (auto given = orders.Give(domid, order); !given) return std::unexpected(given.error());
  std::uint32_t refused = 0;
  for (milliseconds waited{0}; refused == 0 && waited < kDeviceLimit; waited += kLook) {
    std::this_thread::sleep_for(kLook);
    refused = hypervisor->NewIommuFaults();
  }
  std::this_thread::sleep_for(kAfterwards);
  if (!page->Intact()) return Fail("the device changed memory of the primary");
  if (refused == 0) {
    return "the page that was aimed at is what it was; the hypervisor tells of nothing\n";
  }
  return std::format(
      "the IOMMU refused it ({} faults, says the hypervisor); the page that was aimed at is what "
      "it "
      "was\n",
      refused + hypervisor->NewIommuFaults());
}

}  // namespace

Result<std::string> Kill(std::uint32_t domid, const KillCommand& command) {
  const FaultPoint* point = FindFaultPoint(command.point);
  const FaultKind* kind = FindFaultKind(command.how);
  if (point == nullptr && command.how == "destroy") {
    return EndDomain(domid).transform([] { return std::string(); });
  }
  if (point != nullptr) {
    const std::string_view why = WhyNot(command.domain, *kind, *point);
    if (!why.empty()) return Fail(std::format("{} at {}: {}", kind->name, point->name, why));
  }
  auto orders = FaultOrders::Open();
  if (!orders) return std::unexpected(orders.error());
  if (auto able = orders->Check(domid, command.domain, command.how); !able) {
    return std::unexpected(able.error());
  }
  const PlannedFault fault{command.how, command.point, command.nth, command.request_class,
                           static_cast<std::uint32_t>(std::random_device{}())};
  if (command.how == "wild-dma") return AimDevice(domid, *orders, fault, point != nullptr);
  if (point == nullptr) {
    return orders->Give(domid, FaultNow(fault.kind, fault.argument)).transform([] {
      return std::string();
    });
  }
  if (!point->next) {
    return orders->Give(domid, FaultAt(fault)).transform([] { return std::string(); });
  }
  return orders->Leave(command.domain, FaultAt(fault)).transform([&] {
    return std::format("armed for the next {0} domain; `vos restart {0}` makes one\n",
                       command.domain);
  });
}

}  // namespace vos
