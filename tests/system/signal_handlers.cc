// SPDX-License-Identifier: Apache-2.0
// Handlers that do socket I/O themselves, also while they interrupt socket I/O of their own
// thread, and handlers that leave by siglongjmp.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include <setjmp.h>

#include "testing.h"

using namespace vos::testing;

static int handler_client, handler_server;
static std::atomic<int> handled = 0;
static sigjmp_buf out;
static std::atomic<bool> may_jump = false;

static void PingPong(int) {
  const int saved = errno;
  char bytes[30], back[30];
  memset(bytes, 'h', sizeof(bytes));
  SendAll(handler_client, bytes, sizeof(bytes));
  ReceiveAll(handler_server, back, sizeof(back));
  for (char byte : back) CHECK_EQ(byte, 'h');
  handled++;
  errno = saved;
}

static void Jump(int) {
  if (may_jump.exchange(false)) siglongjmp(out, 1);
}

static void Tick(int microseconds) {
  const itimerval timer{{0, microseconds}, {0, microseconds}};
  CHECK_OK(setitimer(ITIMER_REAL, &timer, nullptr));
}

int main() {
  Pair of_handler = TcpPair(AF_INET), mine = TcpPair(AF_INET6);
  handler_client = of_handler.client;
  handler_server = of_handler.server;

  // A busy connection, interrupted wherever it happens to be.
  Handle(SIGALRM, PingPong, SA_RESTART);
  Tick(3000);
  const auto bytes = Pattern(3000, 5);
  for (int i = 0; i < 2000 || (handled < 100 && i < 200'000); i++) {
    const size_t size = 1 + i * 37 % 2900;
    uint8_t back[3000];
    SendAll(mine.client, bytes.data() + i % 100, size);
    ReceiveAll(mine.server, back, size);
    CHECK(memcmp(back, bytes.data() + i % 100, size) == 0);
  }
  // And while it blocks.
  Thread slow([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (int i = 0; i < 20; i++) {
      Sleep(20);
      SendAll(mine.client, "s", 1);
    }
  });
  for (int i = 0; i < 20; i++) {
    char byte;
    CHECK_EQ(recv(mine.server, &byte, 1, 0), 1);
    CHECK_EQ(byte, 's');
  }
  slow.Join();
  Tick(0);
  printf("%d handlers ran\n", handled.load());
  CHECK(handled >= 20);

  // Leaving a blocked call by siglongjmp, again and again, more often than there are lanes and
  // entries; the connection is whole afterwards.
  Handle(SIGALRM, Jump);
  static int i;  // survives the jumps
  for (i = 0; i < 150; i++) {
    if (sigsetjmp(out, 1) == 0) {
      char byte;
      may_jump = true;
      const itimerval once{{0, 0}, {0, 1000 + i % 7 * 300}};
      CHECK_OK(setitimer(ITIMER_REAL, &once, nullptr));
      for (;;) {
        // Both kinds of call: one that completes at once and one that waits.
        if (i % 2) {
          CheckAlive(of_handler.client, of_handler.server);
        } else {
          recv(mine.server, &byte, 1, 0);
        }
      }
    }
    if (i % 2) {
      // Where CheckAlive was left is unknown; what is under way is drained.
      char rest[16];
      Sleep(1);
      while (recv(of_handler.client, rest, sizeof(rest), MSG_DONTWAIT) > 0) continue;
      while (recv(of_handler.server, rest, sizeof(rest), MSG_DONTWAIT) > 0) continue;
    }
    CheckAlive(mine.client, mine.server);
  }
  return 0;
}
