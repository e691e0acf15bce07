// SPDX-License-Identifier: Apache-2.0
#include "service-domains/common/xenstore_client.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vos::service {
namespace {

// From io/xs_wire.h.
constexpr std::uint32_t kWrite = 11;
constexpr std::uint32_t kError = 16;
constexpr std::size_t kMaxPayload = 4096;

struct Header {
  std::uint32_t type;
  std::uint32_t request;
  std::uint32_t transaction;
  std::uint32_t length;
};

bool ReadAll(int fd, void* to, std::size_t size) {
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(fd, bytes, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace

std::string XenstoreWrite(std::string_view path, std::string_view value) {
  const Header request{kWrite, 0, 0, static_cast<std::uint32_t>(path.size() + 1 + value.size())};
  if (request.length > kMaxPayload) return "value too long";
  const int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::string("/dev/xen/xenbus: ") + std::strerror(errno);

  std::string message(reinterpret_cast<const char*>(&request), sizeof(request));
  message.append(path).append(1, '\0').append(value);
  std::string failure;
  Header reply;
  char payload[kMaxPayload];
  if (write(fd, message.data(), message.size()) != static_cast<ssize_t>(message.size())) {
    failure = std::string("write: ") + std::strerror(errno);
  } else if (!ReadAll(fd, &reply, sizeof(reply)) || reply.length > sizeof(payload) ||
             !ReadAll(fd, payload, reply.length)) {
    failure = "no answer";
  } else if (reply.type == kError) {
    failure.assign(payload, strnlen(payload, reply.length));
  }
  close(fd);
  return failure;
}

}  // namespace vos::service
