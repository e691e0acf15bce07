// SPDX-License-Identifier: Apache-2.0
// /dev/vos: calls to the primary kernel; kernel/virtuos/abi/control.h describes them.
#ifndef VIRTUOS_TOOLS_COMMON_CONTROL_DEVICE_H_
#define VIRTUOS_TOOLS_COMMON_CONTROL_DEVICE_H_

#include <sys/types.h>

#include <cstdint>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"

namespace vos {

struct NoopTimes {
  std::uint64_t total_ns;
  std::uint64_t min_ns;
  std::uint64_t max_ns;
};

class ControlDevice {
 public:
  static Result<ControlDevice> Open();

  // Attaches the calling thread's network namespace to the network domain, or detaches it.
  Result<void> AttachNetwork();
  Result<void> DetachNetwork();

  // `count` (1..VOS_NOOP_MAX) no-ops over a kernel lane of a domain (VOS_DOMAIN_*).
  Result<NoopTimes> Noop(std::uint32_t domain, std::uint32_t count);

  // For poll(): EPOLLPRI while a domain is suspected to hang.
  int fd() const { return device_.get(); }
  struct Silence {
    std::uint32_t generation;  // of the connection
    std::uint32_t silent_ms;   // 0: not suspected
  };
  Result<Silence> SilenceOf(std::uint32_t domain);
  // Its connection fails unless it spoke meanwhile or is another one.
  Result<void> DeclareHung(std::uint32_t domain, std::uint32_t generation,
                           std::uint32_t counted_ms);
  // The process makes its calls by trap for as long as this device is open. Of one device once.
  Result<void> Trace(pid_t process);
  // Addresses and routes of the network domain are what they are going to be.
  Result<void> NetworkSettled();

 private:
  explicit ControlDevice(FileDescriptor device) : device_(std::move(device)) {}

  FileDescriptor device_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_CONTROL_DEVICE_H_
