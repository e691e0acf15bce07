// SPDX-License-Identifier: Apache-2.0
// What all calls have in common: the program's vectors, one operation over a lane, what to make of
// its answer, and the ordinary system call if there is none.
#ifndef VIRTUOS_LIBSYSCALL_SHIM_OPERATION_H_
#define VIRTUOS_LIBSYSCALL_SHIM_OPERATION_H_

#include <pthread.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "kernel/virtuos/abi/virtuos.h"
#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/session.h"

namespace vos::shim {

// Longer vectors trap: they lie on the stack, which may be a signal stack.
inline constexpr std::size_t kMaxVector = 64;
// Longest transfer of one call in Linux; longer ones trap.
inline constexpr std::size_t kMaxTransferBytes = 0x7ffff000;

// A result, or -errno; nothing: make the ordinary system call.
using Answer = std::optional<ssize_t>;

inline std::nullopt_t Trap(TrapReason reason) {
  Count(reason);
  return std::nullopt;
}

// The result of an interposed function: the answer, with errno, or what `trap` makes of the
// arguments.
template <typename Result, typename... Parameters, typename... Arguments>
Result Conclude(const Answer& answer, Result (*trap)(Parameters...), Arguments... arguments) {
  if (!answer) return trap(arguments...);
  if (*answer >= 0) return static_cast<Result>(*answer);
  errno = static_cast<int>(-*answer);
  return -1;
}

// The outermost frame of the shim: a call of the program from one place has always the same.
#define VOS_SHIM_FRAME() reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))

// Private copies of the program's vector, with the total.
struct Vector {
  iovec part[kMaxVector];
  std::size_t count;
  std::size_t bytes;

  std::span<iovec> parts() { return {part, count}; }
};

// Fetches and checks a vector. False: trap, counted.
bool FetchVector(const iovec* from, std::size_t count, Vector& vector);
// The length of a vector as the system calls take it: negative traps, and the kernel refuses.
inline std::size_t VectorLength(int count) {
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}
// Drops the first bytes of a vector; returns what is left of it.
std::span<iovec> Skip(std::span<iovec> vector, std::size_t bytes);
// False: a bad pointer.
bool Gather(std::byte* to, std::span<const iovec> vector);
bool Scatter(std::span<const iovec> vector, const std::byte* from, std::size_t bytes);
// Can the first byte be written?
bool IsWritable(std::span<const iovec> vector);
// Can any of the first `bytes` be written, as far as a look at each page tells?
bool IsWritable(std::span<const iovec> vector, std::size_t bytes);

// What the service answered, made sense of: at most `asked`, or an errno of Linux, or nothing, and
// that is counted, as `again` if the answer is EAGAIN. EAGAIN without VOS_CPL_TRAP is final:
// neither the call nor the description may block.
Answer Judge(const vos_completion& completion, std::size_t asked,
             TrapReason again = TrapReason::kService);

struct Operation {
  const Target& target;
  int fd;
  std::uint8_t op;  // VOS_OP_*
  std::size_t bytes;
  std::uintptr_t frame;
  Patience patience = Patience::kUsual;
};

// Does an operation over this thread's lane.
//   bool fill(vos_request&, std::byte* chunk)
//       The rest of the request, and what is sent. False: a bad pointer, nothing was sent.
//   bool reap(const vos_completion&, const std::byte* chunk)
//       While the chunk is ours. True: the call is answered.
// Returns kCompleted after reap(), kLost, which makes nothing of what reap() did if it ran, or
// nothing: trap, counted.
template <typename Fill, typename Reap>
std::optional<Exchange> Perform(const Operation& operation, Fill fill, Reap reap) {
  // A ready call is a cancellation point as well. Before the lane is taken: this may not return.
  pthread_testcancel();
  ClientLane lane(operation.target, operation.frame);
  if (!lane.usable()) return std::nullopt;
  // Nothing of our stack reaches the service: every byte of the line is set.
  vos_request request{};
  request.handle = operation.target.handle;
  request.len = static_cast<std::uint32_t>(operation.bytes);
  request.fd = operation.fd;
  request.op = operation.op;
  if (!fill(request, lane.chunk())) return Trap(TrapReason::kFault);
  vos_completion completion;
  const Exchange exchange = lane.Run(request, operation.patience, completion);
  if (exchange == Exchange::kNotSent) return Trap(TrapReason::kBusy);
  if (exchange == Exchange::kCompleted &&
      reap(completion, static_cast<const std::byte*>(lane.chunk()))) {
    const bool from_arena = (operation.op == VOS_OP_RECV || operation.op == VOS_OP_PREAD) &&
                            completion.res > 0 && (completion.flags & VOS_CPL_INLINE) == 0;
    // After the copy, as far as handlers of this thread are concerned.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (from_arena && !lane.mine()) [[unlikely]]
      return Exchange::kLost;
    lane.CountAnswer();
  }
  return exchange;
}

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_OPERATION_H_
