// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "service-domains/storage/outcome.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

// Where messages come from and answers go to, for any number of threads. Reading the descriptor
// gives one whole message, one write or writev takes one whole answer.
class Relay {
 public:
  explicit Relay(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  virtual ~Relay() = default;

  int descriptor() const { return descriptor_.get(); }

  // Answers a message with success (0) or an errno, and with what belongs to it.
  void Answer(std::uint64_t unique, int error, std::span<const std::byte> body = {});

  // One whole answer. It may be sent only when this thread asks for the next message. The result
  // is writev's.
  virtual ssize_t Send(std::span<const iovec> parts);

  // To be called before the message `unique` is answered: `file` is what it opened.
  virtual Outcome<void> Attach(std::uint64_t unique, FileDescriptor file) = 0;

  // The next message. The result is read's.
  virtual ssize_t Next(std::span<char> room);

 private:
  FileDescriptor descriptor_;
};

// The device of the storage domain's kernel; its contract is in kernel/virtuos/abi/relay.h. What a
// thread answers and opens goes there together with its demand for the next message: in a Xen
// guest, system calls are what a message costs.
class RelayDevice : public Relay {
 public:
  using Relay::Relay;
  ssize_t Send(std::span<const iovec> parts) override;
  Outcome<void> Attach(std::uint64_t unique, FileDescriptor file) override;
  ssize_t Next(std::span<char> room) override;
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_
