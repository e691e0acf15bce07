// SPDX-License-Identifier: Apache-2.0
// FUSE messages as they come, before libfuse sees them: libfuse believes what it reads.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_MESSAGE_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_MESSAGE_H_

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace vos::storage {

enum class Verdict {
  kServe,   // well-formed, and an operation of the daemon
  kRefuse,  // to be answered with `error`
  kDrop,    // nothing to answer, or nobody
};

struct Inspection {
  Verdict verdict = Verdict::kDrop;
  int error = 0;               // errno, positive
  fuse_in_header header = {};  // all zero if there is none
  // What libfuse does not pass on: the caller's lack of CAP_FSETID, where it matters.
  bool clears_set_id = false;
};

// Reads nothing behind the message. A message that is to be served has all of its fixed part, and
// its names end inside it.
Inspection Inspect(std::span<const char> message);

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_MESSAGE_H_
