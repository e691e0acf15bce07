// SPDX-License-Identifier: Apache-2.0
// Follows a process from system call to system call, while it wants that.
#ifndef VIRTUOS_TOOLS_COMMON_SYSTEM_CALL_TRACE_H_
#define VIRTUOS_TOOLS_COMMON_SYSTEM_CALL_TRACE_H_

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace vos {

// The calling process, which lets its parent follow it: made first of all.
class TracedProcess {
 public:
  TracedProcess() : self_(getpid()) {
    // Nobody follows it if this fails, which the parent then sees.
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0) raise(SIGSTOP);
  }
  // The system calls between the two are told. Stops of its own mark them.
  void Begin() const { kill(self_, SIGUSR1); }
  void End() const { kill(self_, SIGUSR2); }

 private:
  pid_t self_;
};

// Follows a child that makes a TracedProcess to its end, and returns its wait status, or -1 with
// errno. marked(true) and marked(false) are called where what is told begins and ends, and
// called(number) for each system call in between; the child stands still meanwhile. Other signals
// reach it.
template <typename Marked, typename Called>
int FollowSystemCalls(pid_t child, Marked marked, Called called) {
  const auto wait = [child](int* status) {
    while (waitpid(child, status, 0) < 0)
      if (errno != EINTR) return false;
    return true;
  };
  int status = 0;
  if (!wait(&status)) return -1;
  // It ended before it could be followed.
  if (!WIFSTOPPED(status)) return status;
  if (ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
    return -1;
  bool counting = false;
  for (int deliver = 0;;) {
    // While the calls are not counted, signals alone stop it.
    if (ptrace(counting ? PTRACE_SYSCALL : PTRACE_CONT, child, nullptr, deliver) < 0 ||
        !wait(&status))
      return -1;
    if (!WIFSTOPPED(status)) return status;
    deliver = 0;
    const int signal_number = WSTOPSIG(status);
    if (signal_number == SIGUSR1 || signal_number == SIGUSR2) {
      counting = signal_number == SIGUSR1;
      marked(counting);
    } else if (signal_number == (SIGTRAP | 0x80)) {
      struct __ptrace_syscall_info info = {};
      if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) < 0) return -1;
      // The kill that ends the counting is none of what is counted.
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr != SYS_kill)
        called(static_cast<long>(info.entry.nr));
    } else {
      deliver = signal_number;
    }
  }
}

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_SYSTEM_CALL_TRACE_H_
