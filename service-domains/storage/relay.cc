// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/relay.h"

#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <iterator>

#include "kernel/virtuos/abi/relay.h"

namespace vos::storage {
namespace {

// What this thread has answered and not sent. Longer answers are sent at once.
struct Pending {
  std::array<char, 4096> answer;
  std::size_t bytes = 0;
  std::uint64_t opens = 0;  // the message that `file` is attached to
  FileDescriptor file;
};
thread_local Pending pending;

std::size_t Size(std::span<const iovec> parts) {
  std::size_t bytes = 0;
  for (const iovec& part : parts) bytes += part.iov_len;
  return bytes;
}

}  // namespace

void Relay::Answer(std::uint64_t unique, int error, std::span<const std::byte> body) {
  fuse_out_header header{.len = static_cast<std::uint32_t>(sizeof(header) + body.size()),
                         .error = -error,
                         .unique = unique};
  const iovec parts[] = {{&header, sizeof(header)},
                         {const_cast<std::byte*>(body.data()), body.size()}};
  // ENOENT: nobody waits for it any more. A broken device is noticed by those who read.
  static_cast<void>(Send(parts));
}

ssize_t Relay::Send(std::span<const iovec> parts) {
  return writev(descriptor(), parts.data(), static_cast<int>(parts.size()));
}

ssize_t Relay::Next(std::span<char> room) { return read(descriptor(), room.data(), room.size()); }

Outcome<void> RelayDevice::Attach(std::uint64_t unique, FileDescriptor file) {
  pending.opens = unique;
  pending.file = std::move(file);
  return {};
}

ssize_t RelayDevice::Send(std::span<const iovec> parts) {
  const std::size_t bytes = Size(parts);
  if (bytes > pending.answer.size() || pending.bytes != 0) return Relay::Send(parts);
  for (const iovec& part : parts) {
    std::memcpy(pending.answer.data() + pending.bytes, part.iov_base, part.iov_len);
    pending.bytes += part.iov_len;
  }
  return static_cast<ssize_t>(bytes);
}

ssize_t RelayDevice::Next(std::span<char> room) {
  if (pending.bytes == 0) return Relay::Next(room);
  fuse_out_header answer;
  std::memcpy(&answer, pending.answer.data(), sizeof(answer));
  // Not of a message that was answered with an error after all.
  if (answer.error != 0 || answer.unique != pending.opens) pending.file.Reset();
  const vos_fuse_next next{.answer = reinterpret_cast<std::uintptr_t>(pending.answer.data()),
                           .message = reinterpret_cast<std::uintptr_t>(room.data()),
                           .answer_bytes = static_cast<std::uint32_t>(pending.bytes),
                           .room = static_cast<std::uint32_t>(room.size()),
                           .fd = pending.file ? pending.file.get() : -1,
                           .unused = 0};
  const ssize_t size = ioctl(descriptor(), VOS_FUSE_NEXT, &next);
  // Neither EINVAL nor EFAULT can be: it is closed.
  static_cast<void>(pending.file.Release());
  pending.bytes = 0;
  pending.opens = 0;
  return size;
}

}  // namespace vos::storage
