// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/hypervisor.h"

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

void Hypervisor::Stop(std::uint32_t domid) {
  xc_domain_shutdown(xen_.get(), domid, SHUTDOWN_crash);
}

}  // namespace vos
