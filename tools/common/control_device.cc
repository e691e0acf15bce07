// SPDX-License-Identifier: Apache-2.0
#include "tools/common/control_device.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <format>

#include "kernel/virtuos/abi/control.h"
#include "tools/common/kernel_state.h"

namespace vos {

Result<ControlDevice> ControlDevice::Open() {
  FileDescriptor device(open("/dev/" VOS_CONTROL_DEVICE, O_RDWR | O_CLOEXEC));
  if (device) return ControlDevice(std::move(device));
  if (errno == EACCES || errno == EPERM) return Fail("only root may do this", errno);
  if (errno == ENOENT) {
    return Fail("/dev/" VOS_CONTROL_DEVICE " is missing: not a VirtuOS primary kernel", ENOENT);
  }
  return FailErrno("/dev/" VOS_CONTROL_DEVICE);
}

Result<void> ControlDevice::AttachNetwork() {
  if (ioctl(device_.get(), VOS_IOC_NET_ATTACH) == 0) return {};
  switch (errno) {
    case EOPNOTSUPP:
      return Fail("another network namespace is attached; there can be one", errno);
    case ENOTCONN:
      return Fail("no network domain is connected", errno);
    default:
      return FailErrno("cannot attach the network namespace");
  }
}

Result<void> ControlDevice::DetachNetwork() {
  if (ioctl(device_.get(), VOS_IOC_NET_DETACH) == 0) return {};
  if (errno == ENOENT) return Fail("this network namespace is not attached", errno);
  return FailErrno("cannot detach the network namespace");
}

Result<NoopTimes> ControlDevice::Noop(std::uint32_t domain, std::uint32_t count) {
  vos_noop noop{};
  noop.domain = domain;
  noop.count = count;
  if (ioctl(device_.get(), VOS_IOC_NOOP, &noop) == 0) {
    return NoopTimes{noop.ns_total, noop.ns_min, noop.ns_max};
  }
  const std::string name = DomainKindName(domain);
  switch (errno) {
    case ENOTCONN:
      return Fail("the " + name + " domain is not connected", errno);
    case ENETDOWN:
      return Fail("the " + name + " domain failed meanwhile", errno);
    default:
      return FailErrno("no-op in the " + name + " domain");
  }
}

Result<ControlDevice::Silence> ControlDevice::SilenceOf(std::uint32_t domain) {
  vos_silence silence{};
  silence.domain = domain;
  if (ioctl(device_.get(), VOS_IOC_SILENCE, &silence) < 0) return FailErrno("silence");
  return Silence{silence.generation, silence.silent_ms};
}

Result<void> ControlDevice::DeclareHung(std::uint32_t domain, std::uint32_t generation,
                                        std::uint32_t counted_ms) {
  vos_silence silence{};
  silence.domain = domain;
  silence.generation = generation;
  silence.counted_ms = counted_ms;
  if (ioctl(device_.get(), VOS_IOC_HUNG, &silence) < 0) return FailErrno("hung");
  return {};
}

Result<void> ControlDevice::Trace(pid_t process) {
  if (ioctl(device_.get(), VOS_IOC_TRACE, static_cast<unsigned long>(process)) == 0) return {};
  if (errno == ESRCH) return Fail(std::format("{} is no process with memory", process), errno);
  return FailErrno(std::format("cannot trace {}", process));
}

Result<void> ControlDevice::NetworkSettled() {
  if (ioctl(device_.get(), VOS_IOC_NET_SETTLED) < 0) return FailErrno("network settled");
  return {};
}

}  // namespace vos
