// SPDX-License-Identifier: Apache-2.0
// Connecting when the network domain dies fails with ENETDOWN, blocked or not, and so does connecting while
// there is none; in the next domain the same sockets, bound and with their options, can connect.
// socket() waits for the next domain, and so do calls that set up a socket.
// tier: fast
// boot: shared
// time: 150
#include "domain.h"

using namespace vos::testing;

namespace {

// A listener that takes no more connections: who connects waits.
struct Full {
  Fd listener;
  std::vector<Fd> clients;
};

Full MakeFull() {
  Full full;
  full.listener = Listening(AF_INET, 0);
  for (int i = 0; i < 20; ++i) {
    Fd client(CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
    const Address address = NameOf(full.listener);
    if (connect(client, address.get(), address.size) < 0) CHECK_EQ(errno, EINPROGRESS);
    const bool waits = !(Poll(client, POLLOUT, 200) & POLLOUT);
    full.clients.push_back(std::move(client));
    if (waits) return full;
  }
  FAIL("the listener takes any number of connections");
}

}  // namespace

int main() {
  Full full = MakeFull();
  const Address address = NameOf(full.listener);
  const Fd& trying = full.clients.back();

  Fd blocked = Bound(AF_INET, SOCK_STREAM);
  SetOption(blocked, IPPROTO_TCP, TCP_NODELAY, 1);
  const Address name = NameOf(blocked);
  std::atomic<int> error = 0;
  Thread connecting(
      [&] { error = connect(blocked, address.get(), address.size) < 0 ? errno : -1; });
  WaitUntilAsleep(connecting.tid());
  const Fd idle(CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  Fd late;
  std::atomic<bool> made = false;
  std::atomic<pid_t> maker_tid = 0;

  {
    const DomainState before = NetworkDomain();
    SupervisorStopped supervisor;
    Kill();
    AwaitFailure(before);
    connecting.Join();
    CHECK_EQ(error, ENETDOWN);
    CHECK(Poll(trying, POLLOUT, kSoon) & (POLLERR | POLLHUP));
    CHECK_EQ(Option(trying, SOL_SOCKET, SO_ERROR), ENETDOWN);
    CHECK_FAILS(connect(idle, address.get(), address.size), ENETDOWN);
    Thread maker([&] {
      late = Fd(CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
      made = true;
    });
    Thread setter([&] { SetOption(idle, IPPROTO_TCP, TCP_KEEPCNT, 5); });
    WaitUntilAsleep(maker.tid());
    WaitUntilAsleep(setter.tid());
    CHECK(!made);
    supervisor.Continue();
    AwaitRecovery(before);
  }

  CHECK(made);
  CHECK_EQ(Option(idle, IPPROTO_TCP, TCP_KEEPCNT), 5);
  CHECK(NameOf(blocked) == name);
  CHECK_EQ(Option(blocked, IPPROTO_TCP, TCP_NODELAY), 1);
  // The backlog of the listener is empty again.
  SetNonblocking(trying, false);
  for (int fd : {static_cast<int>(blocked), static_cast<int>(idle), static_cast<int>(trying)}) {
    CHECK_OK(connect(fd, address.get(), address.size));
    const Fd server(CHECK_OK(accept(full.listener, nullptr, nullptr)));
    CheckAlive(fd, server);
  }
  return 0;
}
