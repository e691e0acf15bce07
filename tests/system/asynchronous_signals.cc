// SPDX-License-Identifier: Apache-2.0
// O_ASYNC: SIGIO, or another signal with F_SETSIG, when a socket becomes ready; to the owner
// that was set.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static std::atomic<int> ordinary = 0, chosen = 0, last_fd = -1;

template <typename Condition>
static void Await(Condition condition) {
  for (const int64_t end = Milliseconds() + kSoon; !condition(); Sleep(1))
    if (Milliseconds() > end) FAIL("no signal came");
}

int main() {
  Handle(SIGIO, [](int) { ordinary++; });
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    last_fd = info->si_fd;
    chosen++;
  };
  CHECK_OK(sigaction(SIGRTMIN + 3, &action, nullptr));
  for (int family : kFamilies) {
    for (bool stream : {true, false}) {
      Pair pair = stream ? TcpPair(family) : UdpPair(family);
      CHECK_OK(fcntl(pair.server, F_SETOWN, getpid()));
      CHECK_EQ(fcntl(pair.server, F_GETOWN), getpid());
      CHECK_OK(fcntl(pair.server, F_SETFL, O_ASYNC));
      CHECK(fcntl(pair.server, F_GETFL) & O_ASYNC);
      ordinary = 0;
      CHECK_EQ(send(pair.client, "x", 1, 0), 1);
      Await([] { return ordinary > 0; });

      CHECK_OK(fcntl(pair.server, F_SETSIG, SIGRTMIN + 3));
      chosen = 0;
      CHECK_EQ(send(pair.client, "x", 1, 0), 1);
      Await([] { return chosen > 0; });
      CHECK_EQ(last_fd, pair.server);

      CHECK_OK(fcntl(pair.server, F_SETFL, 0));
      Sleep(20);
      const int before = chosen;
      CHECK_EQ(send(pair.client, "x", 1, 0), 1);
      CHECK(Poll(pair.server, POLLIN, kSoon) & POLLIN);
      Sleep(20);
      CHECK_EQ(chosen, before);
    }
  }
  return 0;
}
