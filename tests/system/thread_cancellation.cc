// SPDX-License-Identifier: Apache-2.0
// pthread_cancel ends a thread in a blocked socket call, and threads that end anyhow leave
// nothing behind that others miss: the connection works for them.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

int main() {
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    for (int i = 0; i < 40; i++) CheckAlive(tcp.client, tcp.server);
    for (int round = 0; round < 20; round++) {
      std::atomic<pid_t> tid = 0;
      struct Argument {
        Pair* pair;
        std::atomic<pid_t>* tid;
        bool cleaned = false;
      } argument{&tcp, &tid};
      pthread_t thread;
      CHECK_EQ(pthread_create(
                   &thread, nullptr,
                   [](void* data) -> void* {
                     auto* mine = static_cast<Argument*>(data);
                     pthread_cleanup_push([](void* flag) { *static_cast<bool*>(flag) = true; },
                                          &mine->cleaned);
                     CheckAlive(mine->pair->client, mine->pair->server);
                     *mine->tid = gettid();
                     char byte;
                     recv(mine->pair->server, &byte, 1, 0);
                     FAIL("the call came back");
                     pthread_cleanup_pop(0);
                     return nullptr;
                   },
                   &argument),
               0);
      while (tid == 0) Sleep(1);
      WaitUntilAsleep(tid);
      CHECK_EQ(pthread_cancel(thread), 0);
      void* result = nullptr;
      CHECK_EQ(pthread_join(thread, &result), 0);
      CHECK(result == PTHREAD_CANCELED);
      CHECK(argument.cleaned);
      CheckAlive(tcp.client, tcp.server);
    }
    // A whole process that dies in the middle of traffic.
    for (int round = 0; round < 5; round++) {
      const pid_t child = Fork([&] {
        Pair own = TcpPair(family);
        for (;;) CheckAlive(own.client, own.server);
      });
      Sleep(60);
      CHECK_OK(kill(child, SIGKILL));
      CHECK_OK(waitpid(child, nullptr, 0));
      CheckAlive(tcp.client, tcp.server);
    }
  }
  return 0;
}
