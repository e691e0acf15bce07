// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_COMMON_FILE_DESCRIPTOR_H_
#define VIRTUOS_TOOLS_COMMON_FILE_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace vos {

// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    other.Reset();
    return *this;
  }
  ~FileDescriptor() { Reset(); }

  void Reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }
  // Somebody else owns it now.
  int Release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_FILE_DESCRIPTOR_H_
