// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/operation.h"

#include <algorithm>
#include <cerrno>

#include "libsyscall-shim/copy.h"

namespace vos::shim {
namespace {

// The service answers with the errors of Linux, of which this is the last.
constexpr std::int64_t kMaxErrno = EHWPOISON;

}  // namespace

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

bool IsWritable(std::span<const iovec> vector, std::size_t bytes) {
  for (const iovec& part : vector) {
    if (!IsUserRange(part.iov_base, part.iov_len)) return false;
  }
  for (const iovec& part : vector) {
    const std::size_t here = std::min(bytes, part.iov_len);
    auto* const first = static_cast<std::byte*>(part.iov_base);
    // The first byte, and the first one of each page behind it.
    for (std::size_t at = 0; at < here;
         at += VOS_PAGE_SIZE - reinterpret_cast<std::uintptr_t>(first + at) % VOS_PAGE_SIZE) {
      if (vos_guarded_probe(first + at) != 0) return false;
    }
    bytes -= here;
  }
  return true;
}

Answer Judge(const vos_completion& completion, std::size_t asked, TrapReason again) {
  const std::int64_t result = completion.res;
  if ((completion.flags & VOS_CPL_TRAP) != 0) {
    return Trap(result == -EAGAIN ? again : TrapReason::kService);
  }
  if (result >= 0) {
    return static_cast<ssize_t>(
        std::min(static_cast<std::uint64_t>(result), static_cast<std::uint64_t>(asked)));
  }
  // The descriptor was closed or replaced since we looked; to what, the kernel knows.
  if (result == -EBADF) return Trap(TrapReason::kService);
  return result >= -kMaxErrno ? static_cast<ssize_t>(result) : -EIO;
}

}  // namespace vos::shim
