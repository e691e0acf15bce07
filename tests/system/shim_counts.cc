// SPDX-License-Identifier: Apache-2.0
// A ready 1-byte send or receive with the shim makes no system call: its calls are counted by
// tracing it.
// tier: fast
// boot: shared
// variants: shim
#include <sys/ptrace.h>
#include <sys/user.h>

#include "testing.h"

using namespace vos::testing;

constexpr int kCalls = 500;

// Traced: stops of its own mark the beginning and the end of what is counted.
static void Traced(Pair& tcp) {
  const pid_t self = getpid();
  char byte = 'x';
  // Earns the fast path, and waits until what is sent is ready.
  for (int i = 0; i < 200; i++) CheckAlive(tcp.client, tcp.server);
  SendAll(tcp.client, std::string(kCalls, 'r').data(), kCalls);
  for (int i = 0; i < 2000 && Poll(tcp.server, POLLIN, 1) == 0; i++) continue;
  Sleep(200);
  for (int i = 0; i < 3; i++) CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
  kill(self, SIGUSR1);
  for (int i = 3; i < kCalls; i++) {
    if (recv(tcp.server, &byte, 1, 0) != 1 || byte != 'r') FAIL("receive %d", i);
    if (send(tcp.client, "s", 1, 0) != 1) FAIL("send %d", i);
  }
  kill(self, SIGUSR2);
}

int main() {
  Pair tcp = TcpPair(AF_INET);
  const pid_t child = Fork([&] {
    CHECK_OK(ptrace(PTRACE_TRACEME, 0, 0, 0));
    raise(SIGSTOP);
    Traced(tcp);
  });
  int status = 0, stops = 0, others = 0;
  bool counting = false;
  std::string calls;
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
      stops++;
      // The shim's own calls are those of VirtuOS.
      if (registers.orig_rax != SYS_prctl && ++others <= 40)
        calls += " " + std::to_string(registers.orig_rax);
    } else {
      deliver = signal_number;
    }
  }
  CHECK_EQ(WEXITSTATUS(status), 0);
  // Stops are entry and exit of each.
  constexpr int kData = 2 * (kCalls - 3);
  printf("%d data calls: %d system calls, others than the shim's own:%s\n", kData, stops / 2,
         calls.c_str());
  CHECK_EQ(others, 0);
  // A poller that does not run just then makes a call ring or sleep.
  CHECK(stops / 2 <= kData / 10);
  return 0;
}
