// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_SANDBOX_H_
#define VIRTUOS_TOOLS_VM_SANDBOX_H_

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/file_descriptor.h"

namespace vos::vm {

// A program to run in the sandbox.
struct Program {
  std::vector<std::string> command;
  std::vector<std::string> environment;  // NAME=value, beside the caller's own
  std::filesystem::path directory;
  std::filesystem::path log;   // takes standard output and error
  int passed_descriptor = -1;  // stays open in the program under the same number
};

struct ProgramEnd {
  std::size_t program;  // index into the programs the sandbox was started with
  int wait_status;
};

// Programs in network, process and mount namespaces of their own, where only loopback exists and
// name service is expected on it. They all end, whatever they forked, with the sandbox, and the
// sandbox ends with its creator.
class Sandbox {
 public:
  // Starts the programs in the given order. `resolv_conf` takes the place of /etc/resolv.conf.
  static std::expected<Sandbox, std::string> Start(const std::vector<Program>& programs,
                                                   const std::filesystem::path& resolv_conf);

  Sandbox(Sandbox&& other) noexcept;
  Sandbox& operator=(Sandbox&&) = delete;
  ~Sandbox();

  // Readable when NextEnd() has something to say.
  int events() const { return events_.get(); }

  // The next program that ended, or why the sandbox failed. May block unless events() is readable.
  std::expected<ProgramEnd, std::string> NextEnd();

 private:
  Sandbox(pid_t pid, FileDescriptor events, FileDescriptor lifeline)
      : pid_(pid), events_(std::move(events)), lifeline_(std::move(lifeline)) {}

  pid_t pid_;
  FileDescriptor events_;
  FileDescriptor lifeline_;  // write end of a pipe: tells the sandbox that its creator lives
};

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_SANDBOX_H_
