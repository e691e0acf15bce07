// SPDX-License-Identifier: Apache-2.0
// Frames between vm-run on the host and the primary domain's init, over one virtio-serial port.
// One port keeps everything in order: what a job wrote arrives before its exit status.
// A frame is a FrameHeader, little-endian, and `length` bytes.
#ifndef VIRTUOS_TOOLS_VM_GUEST_PROTOCOL_H_
#define VIRTUOS_TOOLS_VM_GUEST_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

namespace vos::vm {

// Name of the virtio-serial port, as /sys/class/virtio-ports/*/name shows it.
inline constexpr char kPortName[] = "virtuos.vm-run";

enum class FrameType : std::uint32_t {
  // vm-run to init. A job is any number of kArgument and kFiles frames and then one kStart.
  kArgument = 1,    // one word of the job's command line
  kFiles = 2,       // piece of a tar archive, unpacked into the job's working directory
  kStart = 3,       // a WindowSize if the job gets a terminal, else empty
  kInput = 4,       // bytes for the job's terminal
  kWindowSize = 5,  // a WindowSize
  kStop = 6,        // out of time: end the job, then report as if it had ended by itself

  // init to vm-run.
  kBooted = 32,  // init runs
  kReady = 33,   // the service domains are connected, or not wanted
  kStdout = 34,
  kStderr = 35,
  kLog = 36,     // name of a log, a NUL, bytes to append to it
  kExit = 37,    // decimal exit status as a shell gives it: 128 + N for signal N
  kOutput = 38,  // piece of a tar archive of $OUT
  kDone = 39,    // everything was sent and the disks are synced
  kFailed = 40,  // one line: why the boot or a domain failed; nothing follows but kLog
};

struct FrameHeader {
  std::uint32_t length;
  FrameType type;
};
static_assert(sizeof(FrameHeader) == 8);

struct WindowSize {
  std::uint16_t rows;
  std::uint16_t columns;
};

inline constexpr std::size_t kMaxPayload = 64 * 1024;

// Limit of a job's command line, in words and in bytes of one word.
inline constexpr std::size_t kMaxArguments = 1024;

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_GUEST_PROTOCOL_H_
