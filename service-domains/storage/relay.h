// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "service-domains/storage/outcome.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

// Where messages come from and answers go to. Reading the descriptor gives one whole message, one
// write or writev takes one whole answer, from any thread.
class Relay {
 public:
  explicit Relay(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  virtual ~Relay() = default;

  int descriptor() const { return descriptor_.get(); }

  // Answers a message with success (0) or an errno, and with what belongs to it.
  void Answer(std::uint64_t unique, int error, std::span<const std::byte> body = {});

  // To be called before the message `unique` is answered: `file` is what it opened. The caller may
  // close it then.
  virtual Outcome<void> Attach(std::uint64_t unique, int file) = 0;

 private:
  FileDescriptor descriptor_;
};

// The device of the storage domain's kernel; its contract is in kernel/virtuos/abi/relay.h.
class RelayDevice : public Relay {
 public:
  using Relay::Relay;
  Outcome<void> Attach(std::uint64_t unique, int file) override;
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_RELAY_H_
