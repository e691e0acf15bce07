// SPDX-License-Identifier: Apache-2.0
#include "service-domains/common/xenstore_client.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
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

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// For an answer. xenstored gives one within milliseconds; once it is dead, it never comes.
constexpr milliseconds kAnswerLimit{2000};
constexpr char kNoAnswer[] = "no answer";

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

bool IsReadable(int fd, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    pollfd ready{fd, POLLIN, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (count >= 0) return count == 1;
    if (errno != EINTR) return false;
  }
}

bool ReadAll(int fd, void* to, std::size_t size, Clock::time_point until) {
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    if (!IsReadable(fd, until)) return false;
    const ssize_t got = read(fd, bytes, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<Message> Receive(int fd, Clock::time_point until) {
  Header header;
  char payload[kMaxPayload];
  if (!ReadAll(fd, &header, sizeof(header), until) || header.length > sizeof(payload) ||
      !ReadAll(fd, payload, header.length, until)) {
    return std::nullopt;
  }
  return Message{header.type, std::string(payload, header.length)};
}

// Sends a request of these parts as they are, and waits for its answer. Returns why it failed.
std::string Exchange(int fd, std::uint32_t type, std::initializer_list<std::string_view> parts,
                     std::string* answer) {
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
  const Clock::time_point until = Clock::now() + kAnswerLimit;
  for (int events = 0; events <= kMaxEvents; ++events) {
    const auto reply = Receive(fd, until);
    if (!reply) break;
    if (reply->type == kWatchEvent) continue;
    if (reply->type == kError) return std::string(reply->payload.c_str());
    if (answer != nullptr) *answer = reply->payload;
    return {};
  }
  return kNoAnswer;
}

// The connection whose request was not answered in time. It is kept, and until its answer has come
// after all, every further request fails at once: the first process of a domain has better to do
// than to wait for a xenstored that is dead, time and again.
FileDescriptor& Unanswered() {
  static FileDescriptor connection;
  return connection;
}

// As Exchange(), on a connection of its own, which the caller may want to keep.
std::string Ask(std::uint32_t type, std::initializer_list<std::string_view> parts,
                std::string* answer = nullptr, FileDescriptor* connection = nullptr) {
  if (FileDescriptor& unanswered = Unanswered()) {
    if (!IsReadable(unanswered.get(), Clock::now())) return kNoAnswer;
    unanswered.Reset();
  }
  FileDescriptor device(open(kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return std::string(kDevice) + ": " + std::strerror(errno);
  const std::string failure = Exchange(device.get(), type, parts, answer);
  if (failure == kNoAnswer) {
    Unanswered() = std::move(device);
  } else if (connection != nullptr) {
    *connection = std::move(device);
  }
  return failure;
}

constexpr std::string_view kZero("\0", 1);

}  // namespace

std::string XenstoreWrite(std::string_view path, std::string_view value) {
  return Ask(kWrite, {path, kZero, value});
}

std::string XenstoreRead(std::string_view path) {
  std::string value;
  if (!Ask(kRead, {path, kZero}, &value).empty()) return {};
  return value;
}

std::optional<XenstoreWatch> XenstoreWatch::Create(std::string_view path) {
  FileDescriptor device;
  // The token, by which events could be told apart, is the path as well.
  if (!Ask(kWatch, {path, kZero, path, kZero}, nullptr, &device).empty()) return std::nullopt;
  return XenstoreWatch(std::move(device));
}

void XenstoreWatch::Drain() {
  for (int events = 0; events < kMaxEvents; ++events) {
    // An event lies there as a whole.
    if (!Receive(device_.get(), Clock::now())) return;
  }
}

}  // namespace vos::service
