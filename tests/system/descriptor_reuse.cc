// SPDX-License-Identifier: Apache-2.0
// A descriptor number that one thread closes and others reuse while traffic runs: no byte ever
// reaches or comes from a connection other than the one the number stood for when the call was
// made.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include <sys/stat.h>

#include "testing.h"

using namespace vos::testing;

// Hazard: T1 installs A under a number, T2 closes it and installs B, then T1's late store would
// make the map say A. Every connection carries only bytes equal to its own id, with which its far
// end is checked.
constexpr int kConnections = 24, kNumber = 200;

int main() {
  Handle(SIGPIPE, SIG_IGN);
  Pair pairs[kConnections];
  for (int i = 0; i < kConnections; i++) {
    pairs[i] = TcpPair(kFamilies[i % 2]);
    SetNonblocking(pairs[i].client);
    SetNonblocking(pairs[i].server);
  }
  std::atomic<bool> stop = false;
  std::atomic<long> moved = 0, swaps = 0;

  // Puts one connection after the other under the number, and nothing now and then.
  const auto swap = [&](unsigned seed) {
    while (!stop) {
      const int index = rand_r(&seed) % (kConnections + 2);
      if (index >= kConnections)
        close(kNumber);
      else
        CHECK_EQ(dup2(pairs[index].server, kNumber), kNumber);
      swaps++;
    }
  };
  // Reads from the number: whatever comes must be of one connection, not a mixture within one call.
  const auto read_number = [&] {
    uint8_t bytes[48];
    while (!stop) {
      const ssize_t got = recv(kNumber, bytes, sizeof(bytes), 0);
      if (got < 0) {
        CHECK(errno == EAGAIN || errno == EBADF);
        continue;
      }
      CHECK(got > 0 && bytes[0] < kConnections);
      for (ssize_t i = 1; i < got; i++) CHECK_EQ(bytes[i], bytes[0]);
      moved += got;
    }
  };
  // Directly: what comes over a connection's own descriptors is its own.
  const auto feed = [&] {
    while (!stop)
      for (int i = 0; i < kConnections && !stop; i++) {
        const std::vector<uint8_t> bytes(16, i);
        if (send(pairs[i].client, bytes.data(), bytes.size(), 0) < 0) CHECK_EQ(errno, EAGAIN);
        uint8_t back[64];
        const ssize_t got = recv(pairs[i].server, back, sizeof(back), 0);
        for (ssize_t j = 0; j < got; j++) CHECK_EQ(back[j], i);
      }
  };
  {
    Thread threads[] = {Thread([&] { swap(1); }), Thread([&] { swap(2); }), Thread(read_number),
                        Thread(read_number), Thread(feed)};
    Sleep(5000);
    stop = true;
  }
  printf("%ld bytes, %ld swaps\n", moved.load(), swaps.load());
  CHECK(swaps > 50);
  close(kNumber);

  // Hazard: one thread installs a socket under the lowest free number, lockless; another closes
  // that number, a third puts a different socket there. Whichever wins, data goes by what the
  // kernel's table says afterwards.
  struct stat status;
  ino_t inodes[kConnections];
  for (int i = 0; i < kConnections; i++) {
    CHECK_OK(fstat(pairs[i].server, &status));
    inodes[i] = status.st_ino;
    uint8_t rest[4096];
    while (recv(pairs[i].server, rest, sizeof(rest), 0) > 0) continue;
  }
  for (int round = 0; round < 150; round++) {
    const int a = round % kConnections, b = (round + 1) % kConnections;
    const int number = CHECK_OK(dup(pairs[a].server));
    close(number);
    int copy = -1;
    {
      Thread installs([&] { copy = CHECK_OK(dup(pairs[a].server)); });
      Thread replaces([&] { CHECK_OK(dup2(pairs[b].server, number)); });
      Thread closes([&] { close(number); });
    }
    if (fstat(number, &status) == 0) {
      const int owner = status.st_ino == inodes[a] ? a : b;
      CHECK_EQ(status.st_ino, inodes[owner]);
      const uint8_t byte = static_cast<uint8_t>(owner);
      CHECK_EQ(send(pairs[owner].client, &byte, 1, 0), 1);
      uint8_t got = 255;
      CHECK(Poll(number, POLLIN, kSoon) & POLLIN);
      CHECK_EQ(recv(number, &got, 1, 0), 1);
      CHECK_EQ(got, owner);
    } else {
      uint8_t got;
      CHECK_FAILS(recv(number, &got, 1, 0), EBADF);
    }
    close(number);
    if (copy != number) close(copy);
  }
  return 0;
}
