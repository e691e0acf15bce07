// SPDX-License-Identifier: Apache-2.0
// Asking for readiness and becoming ready at the same time, at scale: thousands of connections under
// level, edge and one-shot epoll in several processes at once, and blocking receives whose bytes come
// a random moment after they began. An event that is lost would leave its waiter waiting.
// tier: long
// boot: shared
// variants: trap shim local
// time: 300
#include <sched.h>
#include <sys/epoll.h>

#include <memory>
#include <random>

#include "testing.h"

using namespace vos::testing;

namespace {

constexpr int kProcesses = 4;
constexpr int kConnections = 500;
constexpr int kBytes = 6000;
// Bytes on their way at a time: waiters catch up with the sender again and again.
constexpr int kAhead = 32;
constexpr int kBlockingRounds = 1500;
constexpr int kPatience = 60'000;

constexpr uint32_t kModes[] = {EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT};

void Storm(unsigned seed) {
  std::vector<Pair> pairs;
  const Fd epoll(CHECK_OK(epoll_create1(EPOLL_CLOEXEC)));
  const Fd listener = Listening(kFamilies[seed % 2]);
  for (int i = 0; i < kConnections; i++) {
    Pair pair;
    pair.client = Connected(NameOf(listener));
    pair.server = Fd(CHECK_OK(accept4(listener, nullptr, nullptr, SOCK_NONBLOCK)));
    epoll_event event{kModes[i % 3], {.u32 = static_cast<uint32_t>(i)}};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.server, &event));
    pairs.push_back(std::move(pair));
  }
  std::atomic<int> received = 0;
  Thread sender([&] {
    std::mt19937 random(seed);
    for (int sent = 0; sent < kBytes; sent++) {
      while (sent - received.load() >= kAhead) sched_yield();
      SendAll(pairs[random() % kConnections].client, "x", 1);
    }
  });
  while (received.load() < kBytes) {
    epoll_event events[16];
    const int count = epoll_wait(epoll, events, 16, kPatience);
    if (count <= 0) FAIL("no event although %d bytes are to come", kBytes - received.load());
    for (int i = 0; i < count; i++) {
      const uint32_t index = events[i].data.u32;
      const uint32_t mode = kModes[index % 3];
      char buffer[8];
      ssize_t got;
      // Level: one look an event. The others until there is no more.
      do {
        got = recv(pairs[index].server, buffer, mode == EPOLLIN ? 1 : sizeof(buffer), 0);
        if (got > 0) received += static_cast<int>(got);
      } while (got > 0 && mode != EPOLLIN);
      if (got < 0) CHECK_EQ(errno, EAGAIN);
      if (mode & EPOLLONESHOT) {
        epoll_event event{mode, {.u32 = index}};
        CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, pairs[index].server, &event));
      }
    }
  }
}

void Blocking(unsigned seed) {
  std::mt19937 random(seed);
  Pair tcp = TcpPair(kFamilies[seed % 2]);
  timeval limit{kPatience / 1000, 0};
  for (int fd : {static_cast<int>(tcp.client), static_cast<int>(tcp.server)})
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
  Thread echo([&] {
    char byte;
    for (int i = 0; i < kBlockingRounds; i++) {
      ReceiveAll(tcp.server, &byte, 1);
      SendAll(tcp.server, &byte, 1);
    }
  });
  for (int i = 0; i < kBlockingRounds; i++) {
    for (unsigned spin = random() % 4096; spin > 0; spin--) __builtin_ia32_pause();
    char byte = 'b';
    SendAll(tcp.client, &byte, 1);
    // Now and then the byte is there before anybody waits for it.
    if (random() % 4 == 0) sched_yield();
    ReceiveAll(tcp.client, &byte, 1);
  }
}

}  // namespace

int main() {
  const rlimit files = {4096, 4096};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; i++) {
    children.push_back(Fork([&] { Storm(i + 1); }));
    children.push_back(Fork([&] { Blocking(i + 1); }));
  }
  for (const pid_t child : children) Join(child);
  return 0;
}
