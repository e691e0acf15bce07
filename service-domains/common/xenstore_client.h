// SPDX-License-Identifier: Apache-2.0
// Speaks the wire protocol of Xen's public header io/xs_wire.h to the kernel, so that a service
// domain needs no Xen libraries. Paths are relative to the domain's own directory.
//
// No call waits for longer than 2 s, but for XenstoreWatch::Create(), in which the kernel itself
// asks: for the start of a domain, which needs xenstored anyhow. After one that had no answer the
// others fail at once, until the answer is there: xenstored, which cannot be started again, may be
// dead.
#ifndef VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_
#define VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_

#include <optional>
#include <string>
#include <string_view>

#include "tools/common/file_descriptor.h"

namespace vos::service {

// Sets a node of this domain in xenstore, such as data/resolv. Returns why it failed, empty if it
// did not.
std::string XenstoreWrite(std::string_view path, std::string_view value);

// The value of a node; empty if it cannot be read.
std::string XenstoreRead(std::string_view path);

// Tells when a node changes, and once at the beginning.
class XenstoreWatch {
 public:
  static std::optional<XenstoreWatch> Create(std::string_view path);

  // Readable when the node has changed.
  int descriptor() const { return device_.get(); }
  // Takes what it has to tell; the node may have changed.
  void Drain();

 private:
  explicit XenstoreWatch(FileDescriptor device) : device_(std::move(device)) {}

  FileDescriptor device_;
};

}  // namespace vos::service

#endif  // VIRTUOS_SERVICE_DOMAINS_COMMON_XENSTORE_CLIENT_H_
