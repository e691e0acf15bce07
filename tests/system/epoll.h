// SPDX-License-Identifier: Apache-2.0
// What the tests of epoll share.
#ifndef VIRTUOS_TESTS_SYSTEM_EPOLL_H_
#define VIRTUOS_TESTS_SYSTEM_EPOLL_H_

#include <sys/epoll.h>

#include "testing.h"

namespace vos::testing {

// What one event says, or 0 after so many milliseconds.
inline uint32_t Wait(int epoll, int milliseconds) {
  epoll_event event = {};
  const int count = CHECK_OK(epoll_wait(epoll, &event, 1, milliseconds));
  return count ? event.events : 0;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_EPOLL_H_
