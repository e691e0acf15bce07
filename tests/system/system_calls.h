// SPDX-License-Identifier: Apache-2.0
// Counts the system calls of a piece of code by tracing it in a child.
#ifndef VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_
#define VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_

#include <sys/ptrace.h>
#include <sys/user.h>

#include "testing.h"

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
    CHECK_OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    prepare();
    // Stops of its own mark the beginning and the end of what is counted.
    const pid_t self = getpid();
    kill(self, SIGUSR1);
    body();
    kill(self, SIGUSR2);
  });
  SystemCalls calls;
  int status = 0, stops = 0;
  bool counting = false;
  CHECK_OK(waitpid(child, &status, 0));
  CHECK(WIFSTOPPED(status));
  CHECK_OK(ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
  for (int deliver = 0;;) {
    // While the calls are not counted, signals alone stop it.
    CHECK_OK(ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, child, 0, deliver));
    deliver = 0;
    CHECK_OK(waitpid(child, &status, 0));
    if (WIFEXITED(status)) break;
    CHECK(WIFSTOPPED(status));
    const int signal_number = WSTOPSIG(status);
    if (signal_number == SIGUSR1) {
      counting = true;
    } else if (signal_number == SIGUSR2) {
      counting = false;
    } else if (signal_number == (SIGTRAP | 0x80)) {
      user_regs_struct registers;
      CHECK_OK(ptrace(PTRACE_GETREGS, child, 0, &registers));
      // The end of the kill that began the counting, and the beginning of the one that ends it.
      if (registers.orig_rax == SYS_kill) continue;
      // Stops are entry and exit of each.
      const bool entry = ++stops % 2 == 1;
      if (!entry) continue;
      if (registers.orig_rax == SYS_prctl) {
        calls.own++;
      } else if (++calls.others <= 40) {
        calls.which += " " + std::to_string(registers.orig_rax);
      }
    } else {
      deliver = signal_number;
    }
  }
  CHECK_EQ(WEXITSTATUS(status), 0);
  return calls;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_SYSTEM_CALLS_H_
