// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/hypervisor.h"

#include <format>

namespace vos {
namespace {

std::string ShutdownReason(std::uint32_t flags) {
  switch ((flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
    case SHUTDOWN_poweroff:
      return "it powered off";
    case SHUTDOWN_reboot:
      return "it rebooted";
    case SHUTDOWN_suspend:
      return "it suspended";
    case SHUTDOWN_crash:
      return "it crashed";
    case SHUTDOWN_watchdog:
      return "its watchdog expired";
    default:
      return "it shut down";
  }
}

}  // namespace

Result<Hypervisor> Hypervisor::Open() {
  xc_interface* xen = xc_interface_open(nullptr, nullptr, 0);
  if (xen == nullptr) return FailErrno("cannot reach the hypervisor");
  return Hypervisor(xen);
}

bool Hypervisor::CanPassThrough() {
  xc_physinfo_t info{};
  return xc_physinfo(xen_.get(), &info) == 0 &&
         (info.capabilities & XEN_SYSCTL_PHYSCAP_directio) != 0;
}

DomainHealth Hypervisor::Health(std::uint32_t domid) {
  xc_domaininfo_t info{};
  const bool exists = xc_domain_getinfo_single(xen_.get(), domid, &info) == 0;
  if (!exists || (info.flags & XEN_DOMINF_dying)) return {false, true, "it was destroyed"};
  if (info.flags & XEN_DOMINF_shutdown) return {false, false, ShutdownReason(info.flags)};
  return {true, false, {}};
}

std::optional<DomainSample> Hypervisor::Sample(std::uint32_t domid) {
  xc_domaininfo_t domain{};
  if (xc_domain_getinfo_single(xen_.get(), domid, &domain) < 0) return std::nullopt;
  DomainSample sample;
  sample.paused = (domain.flags & XEN_DOMINF_paused) != 0;
  for (std::uint32_t i = 0; i <= domain.max_vcpu_id; ++i) {
    xc_vcpuinfo_t processor{};
    if (xc_vcpu_getinfo(xen_.get(), domid, i, &processor) < 0 || !processor.online) continue;
    sample.processors.push_back(
        {processor.blocked != 0, std::chrono::nanoseconds(processor.cpu_time)});
  }
  return sample;
}

Result<void> Hypervisor::SetWeight(std::uint32_t domid, std::uint16_t weight) {
  // What is set beside the weight stays as it is.
  xen_domctl_sched_credit2 credit2{};
  if (xc_sched_credit2_domain_get(xen_.get(), domid, &credit2) == 0) {
    credit2.weight = weight;
    if (xc_sched_credit2_domain_set(xen_.get(), domid, &credit2) == 0) return {};
  }
  xen_domctl_sched_credit credit{};
  if (xc_sched_credit_domain_get(xen_.get(), domid, &credit) == 0) {
    credit.weight = weight;
    if (xc_sched_credit_domain_set(xen_.get(), domid, &credit) == 0) return {};
  }
  return FailErrno("the weight of a domain");
}

void Hypervisor::Stop(std::uint32_t domid) {
  xc_domain_shutdown(xen_.get(), domid, SHUTDOWN_crash);
}

Result<void> Hypervisor::PermitPorts(std::uint32_t domid, std::uint64_t first,
                                     std::uint64_t count) {
  if (xc_domain_ioport_permission(xen_.get(), domid, static_cast<std::uint32_t>(first),
                                  static_cast<std::uint32_t>(count), 1) < 0) {
    return FailErrno("permission to use ports");
  }
  return {};
}

Result<void> Hypervisor::PermitMemory(std::uint32_t domid, std::uint64_t address,
                                      std::uint64_t bytes) {
  const std::uint64_t first = address >> XC_PAGE_SHIFT;
  const std::uint64_t end = (address + bytes + XC_PAGE_SIZE - 1) >> XC_PAGE_SHIFT;
  if (xc_domain_iomem_permission(xen_.get(), domid, first, end - first, 1) < 0) {
    return FailErrno("permission to use registers");
  }
  return {};
}

Result<void> Hypervisor::PermitInterrupt(std::uint32_t domid, std::uint32_t line) {
  int interrupt = static_cast<int>(line);
  if (xc_physdev_map_pirq(xen_.get(), domid, interrupt, &interrupt) < 0 ||
      xc_domain_irq_permission(xen_.get(), domid, static_cast<std::uint32_t>(interrupt), true) <
          0) {
    return FailErrno("permission to use an interrupt");
  }
  return {};
}

Result<void> Hypervisor::GiveDevice(std::uint32_t domid, std::uint32_t device) {
  if (xc_assign_device(xen_.get(), domid, device, XEN_DOMCTL_DEV_RDM_RELAXED) < 0) {
    return FailErrno(std::format("the device cannot be given to domain {}", domid));
  }
  return {};
}

Result<void> Hypervisor::TakeDevice(std::uint32_t domid, std::uint32_t device) {
  if (xc_deassign_device(xen_.get(), domid, device) < 0) {
    return FailErrno(std::format("the device cannot be taken from domain {}", domid));
  }
  return {};
}

}  // namespace vos
