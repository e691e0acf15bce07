// SPDX-License-Identifier: Apache-2.0
// Many threads, more than a session has lanes, read, write and sync their parts of one file and use
// sockets in turn, while the process forks: every byte is where it belongs, in parent and children.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include <memory>

#include "files.h"
#include "shim_counters.h"

using namespace vos::testing;

namespace {

constexpr int kThreads = 70;
constexpr int kRounds = 25;
constexpr size_t kPart = 20'000;

void Work(int fd, int part, int rounds, bool sockets) {
  Pair tcp;
  if (sockets) tcp = TcpPair(AF_INET);
  const off_t at = static_cast<off_t>(part) * kPart;
  for (int i = 0; i < rounds; i++) {
    const std::string text = Text(i % 3 == 0 ? 100 : kPart - 50, part * 1'000 + i);
    WriteAt(fd, text, at + i % 50);
    CheckSame(ReadAt(fd, text.size(), at + i % 50), text, "a thread's part");
    if (i % 25 == 24) CHECK_OK(fdatasync(fd));
    if (sockets) CheckAlive(tcp.client, tcp.server);
  }
}

}  // namespace

int main() {
  Directory directory;
  const Fd fd = Create("file");
  CHECK_OK(ftruncate(fd, (kThreads + 2) * kPart));
  WarmUp(fd);
  const uint64_t before = FastFileCalls();
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < kThreads; i++)
      threads.push_back(std::make_unique<Thread>([&fd, i] { Work(fd, i, kRounds, i % 8 == 0); }));
    // Children have no session; they read and write all the same, and earn one.
    for (int i = 0; i < 3; i++)
      Join(Fork([&] {
        Work(fd, kThreads + i % 2, 30, false);
        WarmUp(fd);
        Work(fd, kThreads + i % 2, 10, true);
        CheckFastSince(0);
      }));
  }
  CheckFastSince(before);
  const auto counters = ShimCounters();
  printf("%llu fast calls, %llu of them on files; %llu found no lane\n",
         static_cast<unsigned long long>(counters.fast),
         static_cast<unsigned long long>(counters.file_fast),
         static_cast<unsigned long long>(counters.trap_no_lane));
  // Threads that come and go.
  for (int i = 0; i < 150; i++) {
    Thread thread([&] { Work(fd, 0, 3, false); });
  }
  return 0;
}
