// SPDX-License-Identifier: Apache-2.0
#include "service-domains/common/xenstore_client.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace vos::service {
namespace {

// From io/xs_wire.h.
constexpr std::uint32_t kRead = 2;
constexpr std::uint32_t kWatch = 4;
constexpr std::uint32_t kWrite = 11;
constexpr std::uint32_t kWatchEvent = 15;
constexpr std::uint32_t kError = 16;
constexpr std::size_t kMaxPayload = 4096;
// Events that may come before an answer.
constexpr int kMaxEvents = 16;

constexpr char kDevice[] = "/dev/xen/xenbus";

struct Header {
  std::uint32_t type;
  std::uint32_t request;
  std::uint32_t transaction;
  std::uint32_t length;
};

struct Message {
  std::uint32_t type = kError;
  std::string payload;
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

std::optional<Message> Receive(int fd) {
  Header header;
  char payload[kMaxPayload];
  if (!ReadAll(fd, &header, sizeof(header)) || header.length > sizeof(payload) ||
      !ReadAll(fd, payload, header.length)) {
    return std::nullopt;
  }
  return Message{header.type, std::string(payload, header.length)};
}

// Sends a request of these parts as they are, and waits for its answer. Returns why it failed.
std::string Ask(int fd, std::uint32_t type, std::initializer_list<std::string_view> parts,
                std::string* answer = nullptr) {
  Header header{type, 0, 0, 0};
  for (const std::string_view part : parts) {
    header.length += static_cast<std::uint32_t>(part.size());
  }
  if (header.length > kMaxPayload) return "value too long";
  std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const std::string_view part : parts) message.append(part);
  if (write(fd, message.data(), message.size()) != static_cast<ssize_t>(message.size())) {
    return std::string("write: ") + std::strerror(errno);
  }
  for (int events = 0; events <= kMaxEvents; ++events) {
    const auto reply = Receive(fd);
    if (!reply) break;
    if (reply->type == kWatchEvent) continue;
    if (reply->type == kError) return std::string(reply->payload.c_str());
    if (answer != nullptr) *answer = reply->payload;
    return {};
  }
  return "no answer";
}

constexpr std::string_view kZero("\0", 1);

}  // namespace

std::string XenstoreWrite(std::string_view path, std::string_view value) {
  const FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return std::string(kDevice) + ": " + std::strerror(errno);
  return Ask(device.get(), kWrite, {path, kZero, value});
}

std::string XenstoreRead(std::string_view path) {
  const FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  std::string value;
  if (!device || !Ask(device.get(), kRead, {path, kZero}, &value).empty()) return {};
  return value;
}

std::optional<XenstoreWatch> XenstoreWatch::Create(std::string_view path) {
  FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  // The token, by which events could be told apart, is the path as well.
  if (!device || !Ask(device.get(), kWatch, {path, kZero, path, kZero}).empty()) {
    return std::nullopt;
  }
  return XenstoreWatch(std::move(device));
}

void XenstoreWatch::Drain() {
  for (int events = 0; events < kMaxEvents; ++events) {
    pollfd ready{device_.get(), POLLIN, 0};
    if (poll(&ready, 1, 0) != 1 || !Receive(device_.get())) return;
  }
}

}  // namespace vos::service
