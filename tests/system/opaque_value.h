// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TESTS_SYSTEM_OPAQUE_VALUE_H_
#define VIRTUOS_TESTS_SYSTEM_OPAQUE_VALUE_H_

namespace vos::testing {

// A value that the compiler does not warn of.
template <typename T>
T Opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_OPAQUE_VALUE_H_
