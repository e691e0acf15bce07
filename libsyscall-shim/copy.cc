// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/copy.h"

#include <cpuid.h>

namespace vos::shim {
namespace {

// To start rep movsb takes about as long as to copy so much without.
constexpr std::size_t kStringBytes = 512;

// Leaf 7, EBX: rep movsb and stosb are fast, whatever the alignment.
constexpr unsigned kFeatures = 7;
constexpr unsigned kErms = 1u << 9;

}  // namespace

void ChooseCopy() {
  unsigned a, b, c, d;
  if (__get_cpuid_count(kFeatures, 0, &a, &b, &c, &d) != 0 && (b & kErms) != 0) {
    // Others may be copying: a whole word, and any value of it is right.
    __atomic_store_n(&vos_copy_string_bytes, kStringBytes, __ATOMIC_RELAXED);
  }
}

}  // namespace vos::shim
