// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/transfer.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>

#include "kernel/virtuos/abi/virtuos.h"
#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/copy.h"
#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/session.h"

namespace vos::shim {
namespace {

// Everything else traps. All fit in vos_request::msg_flags.
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE;
constexpr int kRecvFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_WAITALL;
// What a receive may report in msg_flags.
constexpr int kReportedFlags = MSG_TRUNC | MSG_CTRUNC | MSG_EOR;
// The service answers with the errors of Linux (EHWPOISON is the last).
constexpr std::int64_t kMaxErrno = 133;
// Times a receive lets others run before it blocks. After failures it does so only every so many
// receives that would block, doubled at each failure up to the second number.
constexpr std::uint32_t kYields = 2;
constexpr std::uint32_t kMaxLingerBackoff = 1024;

// A result, or -errno; nothing: make the ordinary system call.
using Answer = std::optional<ssize_t>;

Answer Trap(TrapReason reason) {
  Count(reason);
  return std::nullopt;
}

ssize_t Finish(ssize_t answer) {
  if (answer >= 0) return answer;
  errno = static_cast<int>(-answer);
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
bool FetchVector(const iovec* from, std::size_t count, Vector& vector) {
  if (count == 0 || count > kMaxVector) {
    Count(TrapReason::kArguments);
    return false;
  }
  if (!CopyFromProgram(vector.part, from, count * sizeof(iovec))) {
    Count(TrapReason::kFault);
    return false;
  }
  vector.count = count;
  vector.bytes = 0;
  for (const iovec& part : vector.parts()) {
    if (part.iov_len > kMaxTransferBytes - vector.bytes) {
      Count(TrapReason::kSize);
      return false;
    }
    vector.bytes += part.iov_len;
  }
  return true;
}

// Drops the first bytes of a vector; returns what is left of it.
std::span<iovec> Skip(std::span<iovec> vector, std::size_t bytes) {
  while (!vector.empty() && bytes >= vector.front().iov_len) {
    bytes -= vector.front().iov_len;
    vector = vector.subspan(1);
  }
  if (!vector.empty()) {
    vector.front().iov_base = static_cast<std::byte*>(vector.front().iov_base) + bytes;
    vector.front().iov_len -= bytes;
  }
  return vector;
}

bool Gather(std::byte* to, std::span<const iovec> vector) {
  for (const iovec& part : vector) {
    if (!CopyFromProgram(to, part.iov_base, part.iov_len)) return false;
    to += part.iov_len;
  }
  return true;
}

bool Scatter(std::span<const iovec> vector, const std::byte* from, std::size_t bytes) {
  for (const iovec& part : vector) {
    const std::size_t now = std::min(bytes, part.iov_len);
    if (!CopyToProgram(part.iov_base, from, now)) return false;
    from += now;
    bytes -= now;
  }
  return true;
}

bool IsWritable(std::span<const iovec> vector) {
  for (const iovec& part : vector) {
    if (!IsUserRange(part.iov_base, part.iov_len)) return false;
  }
  for (const iovec& part : vector) {
    if (part.iov_len != 0) return vos_guarded_probe(part.iov_base) == 0;
  }
  return true;
}

// A receive that would block lets others run first and looks again: on a processor that it shares with
// its peer, the answer may be there by then, and that costs less than to be put to sleep and woken.
// Where it does not help, it is tried ever more rarely.
class Lingering {
 public:
  // Should this try be followed by another one if it would block?
  bool more() const { return yields_ < kYields && (yields_ != 0 || thread_lane.linger_rest == 0); }
  bool Yield() {
    ++yields_;
    state->yields.fetch_add(1, std::memory_order_relaxed);
    kernel.yield();
    return true;
  }
  void Succeeded() const {
    if (yields_ != 0) thread_lane.linger_backoff = 0;
  }
  void Failed() const {
    ThreadLane& thread = thread_lane;
    if (yields_ == 0) {
      if (thread.linger_rest != 0) --thread.linger_rest;
      return;
    }
    thread.linger_backoff = std::clamp(thread.linger_backoff * 2, 1u, kMaxLingerBackoff);
    thread.linger_rest = thread.linger_backoff;
  }

 private:
  std::uint32_t yields_ = 0;
};

// What the service answered, made sense of. EAGAIN without VOS_CPL_TRAP is final: neither the call
// nor the description may block.
struct Reply {
  Answer answer;
  int msg_flags;
};

// It was not done because it would block, and may.
bool WouldBlock(const vos_completion& completion) {
  return (completion.flags & VOS_CPL_TRAP) != 0 && completion.res == -EAGAIN;
}

Reply Judge(const vos_completion& completion, std::size_t asked) {
  Reply reply{.answer = std::nullopt,
              .msg_flags = static_cast<int>(completion.aux) & kReportedFlags};
  const std::int64_t result = completion.res;
  if ((completion.flags & VOS_CPL_TRAP) != 0) {
    Count(WouldBlock(completion) ? TrapReason::kWouldBlock : TrapReason::kService);
  } else if (result >= 0) {
    reply.answer = static_cast<ssize_t>(
        std::min(static_cast<std::uint64_t>(result), static_cast<std::uint64_t>(asked)));
  } else if (result == -EBADF) {
    // The descriptor was closed or replaced since we looked; to what, the kernel knows.
    Count(TrapReason::kService);
  } else {
    reply.answer = result >= -kMaxErrno ? static_cast<ssize_t>(result) : -EIO;
  }
  return reply;
}

// A part was done; the rest goes by trap, and if that fails, the part is the result.
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
  return next.sendmsg(fd, &message, flags | MSG_NOSIGNAL);
}

ssize_t ReceiveRest(int fd, std::span<iovec> vector, int flags) {
  msghdr message{};
  message.msg_iov = vector.data();
  message.msg_iovlen = vector.size();
  return next.recvmsg(fd, &message, flags);
}

Answer SendVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                  int flags, std::uintptr_t frame) {
  if ((flags & ~kSendFlags) != 0 || bytes == 0) return Trap(TrapReason::kArguments);
  if (bytes > target.chunk_bytes) return Trap(TrapReason::kSize);
  vos_completion completion;
  Exchange exchange;
  // A ready call is a cancellation point as well. Before the lane is taken: this may not return.
  pthread_testcancel();
  {
    ClientLane lane(target, frame);
    if (!lane.usable()) return std::nullopt;
    // Nothing of our stack reaches the service: every byte of the line is set.
    vos_request request{};
    request.handle = target.handle;
    request.len = static_cast<std::uint32_t>(bytes);
    request.fd = fd;
    request.op = VOS_OP_SEND;
    std::byte* to = lane.chunk();
    if (bytes <= VOS_SEND_INLINE) {
      request.flags = VOS_REQ_INLINE;
      request.msg_flags = static_cast<std::uint16_t>(flags);
      to = reinterpret_cast<std::byte*>(request.arg.imm);
    } else {
      request.arg.msg.flags = static_cast<std::uint32_t>(flags);
    }
    if (!Gather(to, vector)) return Trap(TrapReason::kFault);
    exchange = lane.Run(request, completion);
  }
  if (exchange == Exchange::kNotSent) return Trap(TrapReason::kBusy);
  if (exchange == Exchange::kLost) return target.stream ? -ECONNRESET : -ENETDOWN;

  const Reply reply = Judge(completion, bytes);
  if (!reply.answer) return std::nullopt;
  const ssize_t done = *reply.answer;
  if (done == -EPIPE && (flags & MSG_NOSIGNAL) == 0) return Trap(TrapReason::kSignal);
  if (target.stream && done >= 0 && static_cast<std::size_t>(done) < bytes) {
    if (done == 0) return Trap(TrapReason::kWouldBlock);
    if ((flags & MSG_DONTWAIT) == 0) return Continue(done, SendRest, fd, vector, flags);
  }
  return done;
}

// One receive over the lane; asked bytes at most.
struct Received {
  Exchange exchange;
  bool would_block;
  Reply reply;
};

// Nothing: trap, counted.
std::optional<Received> ReceiveOnce(const Target& target, int fd, std::span<iovec> vector,
                                    std::size_t asked, int flags, bool may_linger,
                                    std::uintptr_t frame) {
  Received received{};
  vos_completion completion;
  ClientLane lane(target, frame);
  if (!lane.usable()) return std::nullopt;
  if (!IsWritable(vector)) {
    Count(TrapReason::kFault);
    return std::nullopt;
  }
  const auto request_flags = static_cast<std::uint16_t>(flags & ~(MSG_WAITALL | MSG_NOSIGNAL));
  vos_request request{};
  request.handle = target.handle;
  request.len = static_cast<std::uint32_t>(asked);
  request.fd = fd;
  request.op = VOS_OP_RECV;
  request.arg.msg.flags = request_flags;
  request.msg_flags = request_flags;
  if (asked <= VOS_RECV_INLINE) request.flags = VOS_REQ_INLINE;
  received.exchange = lane.Run(request, completion);
  if (received.exchange != Exchange::kCompleted) return received;
  if (may_linger && WouldBlock(completion)) {
    received.would_block = true;
    return received;
  }
  const bool in_line = (completion.flags & VOS_CPL_INLINE) != 0;
  received.reply =
      Judge(completion, in_line ? std::min<std::size_t>(asked, VOS_RECV_INLINE) : asked);
  if (received.reply.answer.value_or(0) > 0) {
    const std::byte* const from =
        in_line ? reinterpret_cast<const std::byte*>(completion.imm) : lane.chunk();
    if (!Scatter(vector, from, static_cast<std::size_t>(*received.reply.answer)))
      received.reply.answer = -EFAULT;
  }
  return received;
}

Answer ReceiveVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                     int flags, int* msg_flags, std::uintptr_t frame) {
  if ((flags & ~kRecvFlags) != 0 || bytes == 0) return Trap(TrapReason::kArguments);
  const bool wait_all = target.stream && (flags & MSG_WAITALL) != 0;
  std::size_t asked = bytes;
  if (asked > target.chunk_bytes) {
    // A stream may give less than was asked for; a datagram would be cut off.
    if (!target.stream || wait_all) return Trap(TrapReason::kSize);
    asked = target.chunk_bytes;
  }
  pthread_testcancel();
  Lingering lingering;
  std::optional<Received> received;
  do {
    received = ReceiveOnce(target, fd, vector, asked, flags, lingering.more(), frame);
    if (!received) return std::nullopt;
  } while (received->would_block && lingering.Yield());
  if (received->exchange == Exchange::kNotSent) return Trap(TrapReason::kBusy);
  if (received->exchange == Exchange::kLost) {
    if (!target.stream || (flags & MSG_PEEK) != 0) return Trap(TrapReason::kLost);
    return -ECONNRESET;
  }
  if (!received->reply.answer) {
    lingering.Failed();
    return std::nullopt;
  }
  lingering.Succeeded();
  const ssize_t done = *received->reply.answer;
  if (wait_all && done > 0 && static_cast<std::size_t>(done) < bytes) {
    // What was peeked at is still there, so the kernel starts from the beginning.
    if ((flags & MSG_PEEK) != 0) return Trap(TrapReason::kWouldBlock);
    if ((flags & MSG_DONTWAIT) == 0) return Continue(done, ReceiveRest, fd, vector, flags);
  }
  if (msg_flags != nullptr) *msg_flags = received->reply.msg_flags;
  return done;
}

Answer SendBuffer(int fd, const void* data, size_t bytes, int flags, std::uintptr_t frame) {
  Target target;
  if (!FindTarget(fd, target)) return std::nullopt;
  if (bytes > kMaxTransferBytes) return Trap(TrapReason::kSize);
  iovec part{.iov_base = const_cast<void*>(data), .iov_len = bytes};
  return SendVector(target, fd, {&part, 1}, bytes, flags, frame);
}

Answer ReceiveBuffer(int fd, void* data, size_t bytes, int flags, std::uintptr_t frame) {
  Target target;
  if (!FindTarget(fd, target)) return std::nullopt;
  if (bytes > kMaxTransferBytes) return Trap(TrapReason::kSize);
  iovec part{.iov_base = data, .iov_len = bytes};
  return ReceiveVector(target, fd, {&part, 1}, bytes, flags, nullptr, frame);
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
  if (!FindTarget(fd, target) || !FetchMessage(from, message) ||
      !FetchVector(message.msg_iov, message.msg_iovlen, vector)) {
    return std::nullopt;
  }
  return SendVector(target, fd, vector.parts(), vector.bytes, flags, frame);
}

Answer ReceiveMessage(int fd, msghdr* to, int flags, std::uintptr_t frame) {
  Target target;
  msghdr message;
  Vector vector;
  if (!FindTarget(fd, target) || !FetchMessage(to, message) ||
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

std::size_t VectorLength(int count) {
  return count < 0 ? 0 : static_cast<std::size_t>(count);  // 0 traps, and the kernel refuses
}

}  // namespace

ssize_t Read(int fd, void* data, size_t bytes) {
  const Answer answer = ReceiveBuffer(fd, data, bytes, 0, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.read(fd, data, bytes);
}

ssize_t Write(int fd, const void* data, size_t bytes) {
  const Answer answer = SendBuffer(fd, data, bytes, 0, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.write(fd, data, bytes);
}

ssize_t Readv(int fd, const iovec* from, int count) {
  Target target;
  Vector vector;
  if (FindTarget(fd, target) && FetchVector(from, VectorLength(count), vector)) {
    const Answer answer =
        ReceiveVector(target, fd, vector.parts(), vector.bytes, 0, nullptr, VOS_SHIM_FRAME());
    if (answer) return Finish(*answer);
  }
  return next.readv(fd, from, count);
}

ssize_t Writev(int fd, const iovec* from, int count) {
  Target target;
  Vector vector;
  if (FindTarget(fd, target) && FetchVector(from, VectorLength(count), vector)) {
    const Answer answer = SendVector(target, fd, vector.parts(), vector.bytes, 0, VOS_SHIM_FRAME());
    if (answer) return Finish(*answer);
  }
  return next.writev(fd, from, count);
}

ssize_t Recv(int fd, void* data, size_t bytes, int flags) {
  const Answer answer = ReceiveBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.recv(fd, data, bytes, flags);
}

ssize_t Recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                 socklen_t* address_bytes) {
  if (address == nullptr) {
    const Answer answer = ReceiveBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME());
    if (answer) return Finish(*answer);
  } else if (Target target; FindTarget(fd, target)) {
    Count(TrapReason::kArguments);
  }
  return next.recvfrom(fd, data, bytes, flags, address, address_bytes);
}

ssize_t Recvmsg(int fd, msghdr* message, int flags) {
  const Answer answer = ReceiveMessage(fd, message, flags, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.recvmsg(fd, message, flags);
}

ssize_t Send(int fd, const void* data, size_t bytes, int flags) {
  const Answer answer = SendBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.send(fd, data, bytes, flags);
}

ssize_t Sendto(int fd, const void* data, size_t bytes, int flags, const sockaddr* address,
               socklen_t address_bytes) {
  if (address == nullptr) {
    const Answer answer = SendBuffer(fd, data, bytes, flags, VOS_SHIM_FRAME());
    if (answer) return Finish(*answer);
  } else if (Target target; FindTarget(fd, target)) {
    Count(TrapReason::kArguments);
  }
  return next.sendto(fd, data, bytes, flags, address, address_bytes);
}

ssize_t Sendmsg(int fd, const msghdr* message, int flags) {
  const Answer answer = SendMessage(fd, message, flags, VOS_SHIM_FRAME());
  return answer ? Finish(*answer) : next.sendmsg(fd, message, flags);
}

}  // namespace vos::shim
