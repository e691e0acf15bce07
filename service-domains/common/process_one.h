// SPDX-License-Identifier: Apache-2.0
// What the first process of every service domain does, whatever the domain is for. It never exits:
// that would panic the kernel.
#ifndef VIRTUOS_SERVICE_DOMAINS_COMMON_PROCESS_ONE_H_
#define VIRTUOS_SERVICE_DOMAINS_COMMON_PROCESS_ONE_H_

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "tools/common/file_descriptor.h"

namespace vos::service {

// Node of the domain in xenstore that its first process sets once it waits for what comes: a device, a
// connection. A standby has booted then.
inline constexpr char kBootedNode[] = "data/booted";

// A line on the domain's console.
void Log(const std::string& what, const std::string& about);

// Mounts the virtual file systems and uses the console. First of all.
void PrepareSystem();

// `path` is below /proc or /sys.
void SetKernelParameter(const char* path, const char* value);

// Starts a program, with no signal blocked. -1: it could not be, which was logged.
pid_t StartProgram(const std::vector<std::string>& command);

// The signals of the first process. Create it before any child.
class Signals {
 public:
  // What is to be done before the domain ends or reboots because the toolstack asks.
  using BeforeEnd = std::function<void()>;

  explicit Signals(BeforeEnd before_end);

  // Readable when there is something to handle.
  int descriptor() const { return descriptor_.get(); }

  struct Ended {
    pid_t pid;
    int status;  // exit status, 128 + N for signal N
  };
  // Handles what came, and says which children ended since the last call.
  std::vector<Ended> Handle();

 private:
  BeforeEnd before_end_;
  FileDescriptor descriptor_;
};

}  // namespace vos::service

#endif  // VIRTUOS_SERVICE_DOMAINS_COMMON_PROCESS_ONE_H_
