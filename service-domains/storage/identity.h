// SPDX-License-Identifier: Apache-2.0
// Whom a thread of the daemon acts for. The primary's kernel has checked what the caller may do,
// and the daemon keeps the privilege to do it; what it takes from the caller is whom new files
// belong to, whose quota they count for, and the umask where the directory has no default ACL.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_IDENTITY_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_IDENTITY_H_

#include <sys/types.h>

#include "service-domains/storage/outcome.h"

namespace vos::storage {

struct Caller {
  uid_t uid = 0;  // -1: not known, which has no privileges
  gid_t gid = 0;
  mode_t umask = 0;
  // What the operation changes loses its set-user-id and set-group-id bits, because the caller
  // has no CAP_FSETID.
  bool clears_set_id = false;
};

// Once in each thread, before ActAs(): its umask and capabilities become its own.
Outcome<void> PrepareIdentity();

// The calling thread acts for the caller until it is called again. Capabilities stay, but for
// CAP_SYS_RESOURCE, with which the blocks reserved for root could be used, and CAP_FSETID if
// clears_set_id says so.
Outcome<void> ActAs(const Caller& caller);

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_IDENTITY_H_
