// SPDX-License-Identifier: Apache-2.0
// SO_LINGER with a time: close() waits until the peer has everything, at most for that time, and
// until a signal comes; not with unread data, and not when the process ends.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include "testing.h"

using namespace vos::testing;

static void SetLinger(int fd, int seconds) {
  const struct linger linger = {1, seconds};
  CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

// A connection whose client has sent more than its peer has room for.
static Pair FullPair(int family) {
  Pair tcp = TcpPair(family);
  SetNonblocking(tcp.client);
  FillUp(tcp.client, Pattern(65536, 1));
  SetNonblocking(tcp.client, false);
  return tcp;
}

static int64_t TimedClose(Fd& fd) {
  const int64_t start = Milliseconds();
  CHECK_OK(close(fd.Release()));
  return Milliseconds() - start;
}

int main() {
  for (int family : kFamilies) {
    // Everything has arrived: no time passes to speak of.
    {
      Pair tcp = TcpPair(family);
      CheckAlive(tcp.client, tcp.server);
      SetLinger(tcp.client, 30);
      CHECK(TimedClose(tcp.client) < kSoon);
      char byte;
      CHECK_EQ(recv(tcp.server, &byte, 1, 0), 0);
    }
    // Nobody reads: the whole time.
    {
      Pair tcp = FullPair(family);
      SetLinger(tcp.client, 1);
      const int64_t took = TimedClose(tcp.client);
      CHECK(took >= 900 && took < 1000 + kSoon);
    }
    // Somebody begins to read: until he has it all.
    {
      Pair tcp = FullPair(family);
      SetLinger(tcp.client, 60);
      Thread reader([&] {
        Sleep(300);
        std::vector<char> buffer(65536);
        while (CHECK_OK(recv(tcp.server, buffer.data(), buffer.size(), 0)) > 0) continue;
      });
      const int64_t took = TimedClose(tcp.client);
      CHECK(took >= 250 && took < 30'000);
    }
    // A signal ends the waiting.
    {
      Pair tcp = FullPair(family);
      SetLinger(tcp.client, 60);
      struct sigaction action = {};
      action.sa_handler = [](int) {};
      CHECK_OK(sigaction(SIGALRM, &action, nullptr));
      const itimerval soon = {{}, {0, 300'000}};
      CHECK_OK(setitimer(ITIMER_REAL, &soon, nullptr));
      const int64_t start = Milliseconds();
      close(tcp.client.Release());
      CHECK(Milliseconds() - start < 30'000);
    }
    // Unread data: the close is a reset, at once.
    {
      Pair tcp = FullPair(family);
      SendAll(tcp.server, "unread", 6);
      CHECK(Poll(tcp.client, POLLIN, kSoon) & POLLIN);
      SetLinger(tcp.client, 60);
      CHECK(TimedClose(tcp.client) < 30'000);
    }
    // A process that ends does not wait, killed or not; nor does a copy that stays open.
    for (const bool killed : {false, true}) {
      Pair tcp = FullPair(family);
      SetLinger(tcp.client, 60);
      int gate[2];
      CHECK_OK(pipe2(gate, O_CLOEXEC));
      const int64_t start = Milliseconds();
      const pid_t child = Fork([&] {
        char byte;
        close(gate[1]);
        CHECK_EQ(read(gate[0], &byte, 1), 0);
        if (killed) raise(SIGKILL);
      });
      // Not the last one.
      tcp.client.Reset();
      close(gate[0]);
      close(gate[1]);
      int status;
      CHECK_OK(waitpid(child, &status, 0));
      CHECK(Milliseconds() - start < 30'000);
    }
    // Accepted sockets have it from their listener.
    {
      const Fd listener = Listening(family);
      SetLinger(listener, 1);
      Fd client = Connected(NameOf(listener));
      Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
      SetNonblocking(server);
      FillUp(server, Pattern(65536, 2));
      const int64_t took = TimedClose(server);
      CHECK(took >= 900 && took < 1000 + kSoon);
    }
  }
  return 0;
}
