// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/file_transfer.h"

#include <limits>

#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/operation.h"

namespace vos::shim {
namespace {

bool FindFile(int fd, Target& target) {
  if (!FindTarget(Domain::kStorage, fd, target)) return false;
  if ((target.kind & VOS_KIND_FILE) != 0) [[likely]]
    return true;
  Count(TrapReason::kArguments);
  return false;
}

// Is all of it at positions that a file can have? Nothing at all is the kernel's as well.
bool IsRange(off_t position, std::size_t bytes) {
  return bytes != 0 && position >= 0 &&
         bytes <= static_cast<std::size_t>(std::numeric_limits<off_t>::max() - position);
}

Answer ReadVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                  off_t position, std::uintptr_t frame) {
  if (!IsRange(position, bytes)) return Trap(TrapReason::kArguments);
  if (bytes > target.chunk_bytes) return Trap(TrapReason::kSize);
  Answer answer;
  const auto exchange = Perform(
      {.target = target, .fd = fd, .op = VOS_OP_PREAD, .bytes = bytes, .frame = frame},
      [&](vos_request& request, std::byte*) {
        request.arg.file.pos = static_cast<std::uint64_t>(position);
        return true;
      },
      [&](const vos_completion& completion, const std::byte* chunk) {
        answer = Judge(completion, bytes);
        if (answer.value_or(0) > 0 && !Scatter(vector, chunk, static_cast<std::size_t>(*answer))) {
          answer = Trap(TrapReason::kFault);
        }
        return answer.has_value();
      });
  if (exchange == Exchange::kLost) return Trap(TrapReason::kLost);
  return answer;
}

Answer WriteVector(const Target& target, int fd, std::span<iovec> vector, std::size_t bytes,
                   off_t position, std::uintptr_t frame) {
  if (!IsRange(position, bytes)) return Trap(TrapReason::kArguments);
  if (bytes > target.chunk_bytes) return Trap(TrapReason::kSize);
  Answer answer;
  const auto exchange = Perform(
      {.target = target, .fd = fd, .op = VOS_OP_PWRITE, .bytes = bytes, .frame = frame},
      [&](vos_request& request, std::byte* chunk) {
        request.arg.file.pos = static_cast<std::uint64_t>(position);
        return Gather(chunk, vector);
      },
      [&](const vos_completion& completion, const std::byte*) {
        answer = Judge(completion, bytes);
        return answer.has_value();
      });
  if (exchange == Exchange::kLost) return Trap(TrapReason::kLost);
  return answer;
}

Answer Synchronise(int fd, std::uint32_t flags, std::uintptr_t frame) {
  Target target;
  if (!FindFile(fd, target)) return std::nullopt;
  Answer answer;
  const auto exchange = Perform(
      {.target = target,
       .fd = fd,
       .op = VOS_OP_SYNC,
       .bytes = 0,
       .frame = frame,
       .patience = Patience::kDisk},
      [&](vos_request& request, std::byte*) {
        request.arg.file.flags = flags;
        return true;
      },
      [&](const vos_completion& completion, const std::byte*) {
        answer = Judge(completion, 0);
        return answer.has_value();
      });
  if (exchange == Exchange::kLost) return Trap(TrapReason::kLost);
  return answer;
}

using Transfer = Answer(const Target&, int, std::span<iovec>, std::size_t, off_t, std::uintptr_t);

Answer OfBuffer(Transfer transfer, int fd, void* data, std::size_t bytes, off_t position,
                std::uintptr_t frame) {
  Target target;
  if (!FindFile(fd, target)) return std::nullopt;
  iovec part{.iov_base = data, .iov_len = bytes};
  return transfer(target, fd, {&part, 1}, bytes, position, frame);
}

Answer OfVector(Transfer transfer, int fd, const iovec* from, int count, off_t position, int flags,
                std::uintptr_t frame) {
  Target target;
  if (!FindFile(fd, target)) return std::nullopt;
  if (flags != 0) return Trap(TrapReason::kArguments);
  Vector vector;
  if (!FetchVector(from, VectorLength(count), vector)) return std::nullopt;
  return transfer(target, fd, vector.parts(), vector.bytes, position, frame);
}

}  // namespace

ssize_t Pread(int fd, void* data, size_t bytes, off_t position) {
  return Conclude(OfBuffer(ReadVector, fd, data, bytes, position, VOS_SHIM_FRAME()), next.pread, fd,
                  data, bytes, position);
}

ssize_t Pwrite(int fd, const void* data, size_t bytes, off_t position) {
  return Conclude(
      OfBuffer(WriteVector, fd, const_cast<void*>(data), bytes, position, VOS_SHIM_FRAME()),
      next.pwrite, fd, data, bytes, position);
}

ssize_t Preadv(int fd, const iovec* vector, int count, off_t position) {
  return Conclude(OfVector(ReadVector, fd, vector, count, position, 0, VOS_SHIM_FRAME()),
                  next.preadv, fd, vector, count, position);
}

ssize_t Pwritev(int fd, const iovec* vector, int count, off_t position) {
  return Conclude(OfVector(WriteVector, fd, vector, count, position, 0, VOS_SHIM_FRAME()),
                  next.pwritev, fd, vector, count, position);
}

ssize_t Preadv2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return Conclude(OfVector(ReadVector, fd, vector, count, position, flags, VOS_SHIM_FRAME()),
                  next.preadv2, fd, vector, count, position, flags);
}

ssize_t Pwritev2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return Conclude(OfVector(WriteVector, fd, vector, count, position, flags, VOS_SHIM_FRAME()),
                  next.pwritev2, fd, vector, count, position, flags);
}

int Fsync(int fd) { return Conclude(Synchronise(fd, 0, VOS_SHIM_FRAME()), next.fsync, fd); }

int Fdatasync(int fd) {
  return Conclude(Synchronise(fd, VOS_FILE_DATA, VOS_SHIM_FRAME()), next.fdatasync, fd);
}

}  // namespace vos::shim
