// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_SESSION_H_
#define VIRTUOS_TOOLS_VM_SESSION_H_

#include <signal.h>

#include <cstddef>
#include <filesystem>
#include <string>

#include "tools/common/file_descriptor.h"
#include "tools/vm/options.h"
#include "tools/vm/sandbox.h"

namespace vos::vm {

inline constexpr int kTimeoutStatus = 124;
inline constexpr int kToolFailedStatus = 125;
inline constexpr int kBootFailedStatus = 126;

// To be blocked by the caller before the sandbox starts.
inline constexpr int kSessionSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

// In the run's directory: what FILE left in $OUT, as a tar archive.
inline constexpr char kOutputArchive[] = "out.tar";

// How a run ended.
struct Outcome {
  int status;           // exit status of vm-run
  std::string message;  // for standard error; empty if FILE simply ended
};

struct SessionParts {
  FileDescriptor guest;               // the socket behind the virtio-serial port
  std::size_t machine;                // QEMU's index among the sandbox's programs
  std::filesystem::path run;          // directory of the logs
  std::filesystem::path job_archive;  // tar archive for the job's working directory
};

// Accompanies the machine from power-on to the end of FILE: passes the job in and its output out,
// writes the logs, keeps every limit of time. The caller has blocked kSessionSignals and ignores
// SIGPIPE.
Outcome RunSession(const Options& options, Sandbox& sandbox, SessionParts parts);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_SESSION_H_
