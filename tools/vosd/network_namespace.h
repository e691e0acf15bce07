// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_NETWORK_NAMESPACE_H_
#define VIRTUOS_TOOLS_VOSD_NETWORK_NAMESPACE_H_

#include <functional>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"

namespace vos {

// Keeps the supervisor out of the network namespace it attaches: it and the programs it starts live
// in an empty one of their own, so that none of their sockets can ever wait for the domain they are
// to bring back.
class NetworkNamespace {
 public:
  // Moves the calling thread from the namespace it found itself in to a new one.
  static Result<NetworkNamespace> Leave();

  // Does something in the namespace that was left.
  Result<void> Inside(const std::function<Result<void>()>& something) const;
  // Attaches the namespace that was left to the network domain.
  Result<void> Attach() const;

 private:
  NetworkNamespace(FileDescriptor served, FileDescriptor own)
      : served_(std::move(served)), own_(std::move(own)) {}

  FileDescriptor served_;
  FileDescriptor own_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_NETWORK_NAMESPACE_H_
