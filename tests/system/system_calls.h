// SPDX-License-Identifier: Apache-2.0
// Counts the system calls of a piece of code by tracing it in a child.
#ifndef VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_
#define VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_

#include "testing.h"
#include "tools/common/system_call_trace.h"

namespace vos::testing {

struct SystemCalls {
  int own = 0;     // the shim's, which are those of VirtuOS
  int others = 0;  // what a program would not make if its data calls made none
  std::string which;
};

// Forks; the child runs prepare(), uncounted, then body(). What both say of each other in the
// child is its own: the caller's memory stays as it was.
template <typename Prepare, typename Body>
SystemCalls CountSystemCalls(Prepare prepare, Body body) {
  const pid_t child = Fork([&] {
    const TracedProcess self;
    prepare();
    self.Begin();
    body();
    self.End();
  });
  SystemCalls calls;
  const int status = CHECK_OK(FollowSystemCalls(
      child, [](bool) {},
      [&](long number) {
        if (number == SYS_prctl) {
          calls.own++;
        } else if (++calls.others <= 40) {
          calls.which += " " + std::to_string(number);
        }
      }));
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
  return calls;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_
