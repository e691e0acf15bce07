// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TESTS_SYSTEM_REPETITIONS_H_
#define VIRTUOS_TESTS_SYSTEM_REPETITIONS_H_

#include <stdlib.h>

namespace vos::testing {

// How often something is done: so many times, and fewer where another test runs this one in passing.
inline int Times(int count) {
  const char* part = getenv("VOS_TEST_PART");
  return part ? count / atoi(part) : count;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_REPETITIONS_H_
