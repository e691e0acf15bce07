// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/transfer.h"

#include <algorithm>
#include <cerrno>

#include "libsyscall-shim/copy.h"
#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/operation.h"

namespace vos::shim {
namespace {

// Everything else traps. All fit in vos_request::msg_flags.
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE;
constexpr int kRecvFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_WAITALL;
// What a receive may report in msg_flags.
constexpr int kReportedFlags = MSG_TRUNC | MSG_CTRUNC | MSG_EOR;
// Times a receive lets others run before it blocks. After failures it does so only every so many
// receives that would block, doubled at each failure up to the second number.
constexpr std::uint32_t kYields = 2;
constexpr std::uint32_t kMaxLingerBackoff = 1024;

// A receive that would block lets others run first and looks again: on a processor that it shares
// with its peer, the answer may be there by then, and that costs less than to be put to sleep and
// woken. Where it does not help, it is tried ever more rarely.
class Lingering {
 public:
  // Should this try be followed by another one if it would block?
  bool more() const { return yields_ < kYields && (yields_ != 0 || thread_.linger_rest == 0); }
  void Yield() {
    ++yields_;
    state->yields.fetch_add(1, std::memory_order_relaxed);
    kernel.yield();
  }
  void Succeeded() const {
    if (yields_ != 0) thread_.linger_backoff = 0;
  }
  void Failed() const {
    if (yields_ == 0) {
      if (thread_.linger_rest != 0) --thread_.linger_rest;
      return;
    }
    thread_.linger_backoff = std::clamp(thread_.linger_backoff * 2, 1u, kMaxLingerBackoff);
    thread_.linger_rest = thread_.linger_backoff;
  }

 private:
  ThreadLane& thread_ = ThreadLaneOf(Domain::kNetwork);
  std::uint32_t yields_ = 0;
};

bool FindSocket(int fd, Target& target) { return FindTarget(Domain::kNetwork, fd, target); }

bool IsStream(const Target& target) { return (target.kind & VOS_KIND_STREAM) != 0; }

// A part was done; the rest goes by trap, and if that fails, the part is the result, and the next call
// fails.
ssize_t Continue(ssize_t done, ssize_t (*rest)(int, std::span<iovec>, int), int fd,
                 std::span<iovec> vector, int flags) {
  state->fast_continued.fetch_add(1, std::memory_order_relaxed);
  const int saved_errno = errno;
  const ssize_t more = rest(fd, Skip(vector, static_cast<std::size_t>(done)), flags);
  errno = saved_errno;
  return more < 0 ? done : done + more;
}

ssize_t SendRest(int fd, std::span<iovec> vector, int flags) {
  msghdr message{};
  message.msg_iov = vector.data();
  message.msg_iovlen = vector.size();
  return next.sendmsg(fd, &message, flags | MSG_NOSIGNAL | VOS_MSG_REST);
}

ssize_t ReceiveRest(int fd, std::span<iovec> vector, int flags) {
  msghdr message{};
  message.msg_iov = vector.data();
  message.msg_iovlen = vector.size();
  return next.recvmsg(fd, &message, flags | VOS_MSG_REST);
}

Answer SendVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                  int flags, std::uintptr_t frame) {
  if ((flags & ~kSendFlags) != 0 || bytes == 0) return Trap(TrapReason::kArguments);
  if (bytes > target.chunk_bytes) return Trap(TrapReason::kSize);
  Answer answer;
  const auto exchange = Perform(
      {.target = target, .fd = fd, .op = VOS_OP_SEND, .bytes = bytes, .frame = frame},
      [&](vos_request& request, std::byte* to) {
        if (bytes <= VOS_SEND_INLINE) {
          request.flags = VOS_REQ_INLINE;
          request.msg_flags = static_cast<std::uint16_t>(flags);
          to = reinterpret_cast<std::byte*>(request.arg.imm);
        } else {
          request.arg.msg.flags = static_cast<std::uint32_t>(flags);
        }
        return Gather(to, vector);
      },
      [&](const vos_completion& completion, const std::byte*) {
        answer = Judge(completion, bytes, TrapReason::kWouldBlock);
        if (answer == -EPIPE) answer = Trap(TrapReason::kEnd);
        if (answer == 0 && IsStream(target)) answer = Trap(TrapReason::kWouldBlock);
        return answer.has_value();
      });
  if (exchange == Exchange::kLost) return IsStream(target) ? -ECONNRESET : -ENETDOWN;
  if (IsStream(target) && (flags & MSG_DONTWAIT) == 0 && answer.value_or(0) > 0 &&
      static_cast<std::size_t>(*answer) < bytes) {
    return Continue(*answer, SendRest, fd, vector, flags);
  }
  return answer;
}

// *msg_flags is what the message's msg_flags becomes.
Answer ReceiveVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                     int flags, int* msg_flags, std::uintptr_t frame) {
  if ((flags & ~kRecvFlags) != 0 || bytes == 0) return Trap(TrapReason::kArguments);
  const bool wait_all = IsStream(target) && (flags & MSG_WAITALL) != 0;
  const bool peek = (flags & MSG_PEEK) != 0;
  std::size_t asked = bytes;
  if (asked > target.chunk_bytes) {
    // A stream may give less than was asked for; a datagram would be cut off.
    if (!IsStream(target) || wait_all) return Trap(TrapReason::kSize);
    asked = target.chunk_bytes;
  }
  Answer answer;
  bool would_block = false, again = false;
  const auto fill = [&](vos_request& request, std::byte*) {
    const auto request_flags = static_cast<std::uint16_t>(flags & ~(MSG_WAITALL | MSG_NOSIGNAL));
    request.arg.msg.flags = request_flags;
    request.msg_flags = request_flags;
    if (asked <= VOS_RECV_INLINE) request.flags = VOS_REQ_INLINE;
    // What a stream gave and a bad pointer did not take would be lost.
    return IsStream(target) && !peek ? IsWritable(vector, asked) : IsWritable(vector);
  };
  Lingering lingering;
  const auto reap = [&](const vos_completion& completion, const std::byte* chunk) {
    would_block = (completion.flags & VOS_CPL_TRAP) != 0 && completion.res == -EAGAIN;
    again = would_block && lingering.more();
    if (again) return false;
    const bool in_line = (completion.flags & VOS_CPL_INLINE) != 0;
    *msg_flags = static_cast<int>(completion.aux) & kReportedFlags;
    answer = Judge(completion, in_line ? std::min<std::size_t>(asked, VOS_RECV_INLINE) : asked,
                   TrapReason::kWouldBlock);
    if (answer == 0 && IsStream(target)) answer = Trap(TrapReason::kEnd);
    if (answer.value_or(0) <= 0) return answer.has_value();
    // What was peeked at is still there, so the kernel starts from the beginning.
    if (wait_all && peek && static_cast<std::size_t>(*answer) < bytes) {
      answer = Trap(TrapReason::kWouldBlock);
      return false;
    }
    const std::byte* const from =
        in_line ? reinterpret_cast<const std::byte*>(completion.imm) : chunk;
    if (!Scatter(vector, from, static_cast<std::size_t>(*answer))) answer = -EFAULT;
    return true;
  };
  std::optional<Exchange> exchange;
  for (;; lingering.Yield()) {
    again = false;
    exchange =
        Perform({.target = target, .fd = fd, .op = VOS_OP_RECV, .bytes = asked, .frame = frame},
                fill, reap);
    if (!again) break;
  }
  if (answer) {
    lingering.Succeeded();
  } else if (would_block) {
    lingering.Failed();
  }
  if (exchange == Exchange::kLost) {
    if (!IsStream(target) || peek) return Trap(TrapReason::kLost);
    return -ECONNRESET;
  }
  if (wait_all && (flags & MSG_DONTWAIT) == 0 && answer.value_or(0) > 0 &&
      static_cast<std::size_t>(*answer) < bytes) {
    return Continue(*answer, ReceiveRest, fd, vector, flags);
  }
  return answer;
}

Answer SendBuffer(int fd, const void* data, size_t bytes, int flags, std::uintptr_t frame) {
  Target target;
  if (!FindSocket(fd, target)) return std::nullopt;
  if (bytes > kMaxTransferBytes) return Trap(TrapReason::kSize);
  iovec part{.iov_base = const_cast<void*>(data), .iov_len = bytes};
  return SendVector(target, fd, {&part, 1}, bytes, flags, frame);
}

Answer ReceiveBuffer(int fd, void* data, size_t bytes, int flags, std::uintptr_t frame) {
  Target target;
  if (!FindSocket(fd, target)) return std::nullopt;
  if (bytes > kMaxTransferBytes) return Trap(TrapReason::kSize);
  iovec part{.iov_base = data, .iov_len = bytes};
  int msg_flags;
  return ReceiveVector(target, fd, {&part, 1}, bytes, flags, &msg_flags, frame);
}

// A copy of the program's msghdr without name and control data. False: trap, counted.
bool FetchMessage(const msghdr* from, msghdr& message) {
  if (!CopyFromProgram(&message, from, sizeof(message))) {
    Count(TrapReason::kFault);
    return false;
  }
  if (message.msg_name != nullptr || message.msg_controllen != 0) {
    Count(TrapReason::kArguments);
    return false;
  }
  return true;
}

Answer SendMessage(int fd, const msghdr* from, int flags, std::uintptr_t frame) {
  Target target;
  msghdr message;
  Vector vector;
  if (!FindSocket(fd, target) || !FetchMessage(from, message) ||
      !FetchVector(message.msg_iov, message.msg_iovlen, vector)) {
    return std::nullopt;
  }
  return SendVector(target, fd, vector.parts(), vector.bytes, flags, frame);
}

Answer ReceiveMessage(int fd, msghdr* to, int flags, std::uintptr_t frame) {
  Target target;
  msghdr message;
  Vector vector;
  if (!FindSocket(fd, target) || !FetchMessage(to, message) ||
      !FetchVector(message.msg_iov, message.msg_iovlen, vector)) {
    return std::nullopt;
  }
  int msg_flags = 0;
  const Answer answer =
      ReceiveVector(target, fd, vector.parts(), vector.bytes, flags, &msg_flags, frame);
  if (!answer || *answer < 0) return answer;
  if (!CopyToProgram(&to->msg_flags, &msg_flags, sizeof(msg_flags))) return -EFAULT;
  return answer;
}

Answer SendProgramVector(int fd, const iovec* from, int count, std::uintptr_t frame) {
  Target target;
  Vector vector;
  if (!FindSocket(fd, target) || !FetchVector(from, VectorLength(count), vector)) {
    return std::nullopt;
  }
  return SendVector(target, fd, vector.parts(), vector.bytes, 0, frame);
}

Answer ReceiveProgramVector(int fd, const iovec* from, int count, std::uintptr_t frame) {
  Target target;
  Vector vector;
  if (!FindSocket(fd, target) || !FetchVector(from, VectorLength(count), vector)) {
    return std::nullopt;
  }
  int msg_flags;
  return ReceiveVector(target, fd, vector.parts(), vector.bytes, 0, &msg_flags, frame);
}

// With an address the call is the kernel's.
std::nullopt_t RefuseAddress(int fd) {
  Target target;
  if (FindSocket(fd, target)) Count(TrapReason::kArguments);
  return std::nullopt;
}

}  // namespace

ssize_t Read(int fd, void* data, size_t bytes) {
  return Conclude(ReceiveBuffer(fd, data, bytes, 0, VOS_SHIM_FRAME()), next.read, fd, data, bytes);
}

ssize_t Write(int fd, const void* data, size_t bytes) {
  return Conclude(SendBuffer(fd, data, bytes, 0, VOS_SHIM_FRAME()), next.write, fd, data, bytes);
}

ssize_t Readv(int fd, const iovec* from, int count) {
  return Conclude(ReceiveProgramVector(fd, from, count, VOS_SHIM_FRAME()), next.readv, fd, from,
                  count);
}

ssize_t Writev(int fd, const iovec* from, int count) {
  return Conclude(SendProgramVector(fd, from, count, VOS_SHIM_FRAME()), next.writev, fd, from,
                  count);
}

ssize_t Recv(int fd, void* data, size_t bytes, int flags) {
  return Conclude(ReceiveBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME()), next.recv, fd, data,
                  bytes, flags);
}

ssize_t Recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                 socklen_t* address_bytes) {
  const Answer answer = address == nullptr ? ReceiveBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME())
                                           : RefuseAddress(fd);
  return Conclude(answer, next.recvfrom, fd, data, bytes, flags, address, address_bytes);
}

ssize_t Recvmsg(int fd, msghdr* message, int flags) {
  return Conclude(ReceiveMessage(fd, message, flags, VOS_SHIM_FRAME()), next.recvmsg, fd, message,
                  flags);
}

ssize_t Send(int fd, const void* data, size_t bytes, int flags) {
  return Conclude(SendBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME()), next.send, fd, data, bytes,
                  flags);
}

ssize_t Sendto(int fd, const void* data, size_t bytes, int flags, const sockaddr* address,
               socklen_t address_bytes) {
  const Answer answer =
      address == nullptr ? SendBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME()) : RefuseAddress(fd);
  return Conclude(answer, next.sendto, fd, data, bytes, flags, address, address_bytes);
}

ssize_t Sendmsg(int fd, const msghdr* message, int flags) {
  return Conclude(SendMessage(fd, message, flags, VOS_SHIM_FRAME()), next.sendmsg, fd, message,
                  flags);
}

}  // namespace vos::shim
