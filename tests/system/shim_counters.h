// SPDX-License-Identifier: Apache-2.0
// What the preloaded library tells of itself.
#ifndef VIRTUOS_TESTS_SYSTEM_SHIM_COUNTERS_H_
#define VIRTUOS_TESTS_SYSTEM_SHIM_COUNTERS_H_

#include <dlfcn.h>

#include "libsyscall-shim/include/virtuos/shim.h"
#include "testing.h"

namespace vos::testing {

// All zero where the library is not loaded.
inline struct vos_shim_counters ShimCounters() {
  struct vos_shim_counters counters = {};
  const auto function =
      reinterpret_cast<decltype(&::vos_shim_counters)>(dlsym(RTLD_DEFAULT, "vos_shim_counters"));
  if (function) function(&counters);
  return counters;
}

// Calls on files that a lane answered; in the variant without the shim there are none to expect.
inline uint64_t FastFileCalls() { return ShimCounters().file_fast; }

// The fast path was used since `before`, if there is one.
inline void CheckFastSince(uint64_t before) {
  if (Variant() == "shim" && FastFileCalls() == before) FAIL("no call on a file was fast");
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_SHIM_COUNTERS_H_
