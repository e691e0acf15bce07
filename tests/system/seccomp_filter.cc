// SPDX-License-Identifier: Apache-2.0
// A seccomp filter holds for socket calls however they are made: what it forbids fails, before
// and after the process has earned a fast path.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include "testing.h"

using namespace vos::testing;

// Forbids sendto with EPERM, allows everything else.
static void ForbidSending() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendto, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
  CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
    SKIP("no seccomp filters here");
}

static void CheckForbidden(Pair& tcp) {
  for (int i = 0; i < 50; i++) {
    CHECK_FAILS(send(tcp.client, "x", 1, 0), EPERM);
    CHECK_EQ(write(tcp.client, "y", 1), 1);
    char byte;
    CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'y');
  }
}

int main() {
  Pair tcp = TcpPair(AF_INET);
  Join(Fork([&] {
    ForbidSending();
    CheckForbidden(tcp);
  }));
  for (int i = 0; i < 60; i++) CheckAlive(tcp.client, tcp.server);
  ForbidSending();
  CheckForbidden(tcp);
  return 0;
}
