// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/network_namespace.h"

#include <fcntl.h>
#include <sched.h>

#include "tools/common/control_device.h"

namespace vos {
namespace {

constexpr char kCurrent[] = "/proc/thread-self/ns/net";

}  // namespace

Result<NetworkNamespace> NetworkNamespace::Leave() {
  FileDescriptor served(open(kCurrent, O_RDONLY | O_CLOEXEC));
  if (!served) return FailErrno(kCurrent);
  if (unshare(CLONE_NEWNET) < 0) return FailErrno("cannot make a network namespace");
  FileDescriptor own(open(kCurrent, O_RDONLY | O_CLOEXEC));
  if (!own) return FailErrno(kCurrent);
  return NetworkNamespace(std::move(served), std::move(own));
}

Result<void> NetworkNamespace::Inside(const std::function<Result<void>()>& something) const {
  if (setns(served_.get(), CLONE_NEWNET) < 0) return FailErrno("setns");
  const auto done = something();
  if (setns(own_.get(), CLONE_NEWNET) < 0) return FailErrno("setns");
  return done;
}

Result<void> NetworkNamespace::Attach() const {
  auto device = ControlDevice::Open();
  if (!device) return std::unexpected(device.error());
  return Inside([&] { return device->AttachNetwork(); });
}

}  // namespace vos
