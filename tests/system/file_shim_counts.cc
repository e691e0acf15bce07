// SPDX-License-Identifier: Apache-2.0
// Positioned calls with the shim make no system call: cached reads of 512 bytes and 4 KiB, writes,
// vectors, and syncs are counted by tracing them. read() makes its one.
// tier: fast
// boot: shared
// variants: shim
// time: 30
#include "files.h"
#include "shim_counters.h"
#include "system_calls.h"

using namespace vos::testing;

namespace {

constexpr int kCalls = 500;

struct Kind {
  const char* name;
  int calls;
  void (*call)(int fd, int i);
  int own_percent;  // of the shim's calls to ring or to sleep: a poller may not run just then
};

char buffer[65'536];

template <size_t kSize>
void ReadCached(int fd, int i) {
  const off_t at = static_cast<off_t>(i) * 512 % 32'768;
  if (pread(fd, buffer, kSize, at) != static_cast<ssize_t>(kSize)) FAIL("pread %d", i);
  if (buffer[0] != 'c' || buffer[kSize - 1] != 'c') FAIL("pread %d gives something else", i);
}

void ReadVector(int fd, int i) {
  iovec parts[] = {{buffer, 100}, {buffer + 200, 3'996}};
  if (preadv(fd, parts, 2, i) != 4'096) FAIL("preadv %d", i);
}

void WriteBlock(int fd, int i) {
  if (pwrite(fd, buffer, 4'096, 65'536) != 4'096) FAIL("pwrite %d", i);
}

void Synchronise(int fd, int i) {
  if ((i % 2 ? fsync(fd) : fdatasync(fd)) != 0) FAIL("sync %d", i);
}

// Writes and syncs go to a worker, and may take longer than is spun for.
constexpr Kind kKinds[] = {{"pread of 512 bytes", kCalls, ReadCached<512>, 10},
                           {"pread of 4 KiB", kCalls, ReadCached<4'096>, 10},
                           {"pread of 32 KiB", kCalls, ReadCached<32'768>, 20},
                           {"preadv of 4 KiB", kCalls, ReadVector, 10},
                           {"pwrite of 4 KiB", kCalls, WriteBlock, 200},
                           {"fsync and fdatasync", 20, Synchronise, 400}};

}  // namespace

int main() {
  Directory directory;
  Put("file", std::string(131'072, 'c'));
  const Fd fd = Open("file", O_RDWR);
  for (const Kind& kind : kKinds) {
    const SystemCalls calls = CountSystemCalls(
        [&] {
          WarmUp(fd);
          for (int i = 0; i < 50; i++) kind.call(fd, i);
          CheckFastSince(0);
        },
        [&] {
          for (int i = 0; i < kind.calls; i++) kind.call(fd, i);
        });
    printf("%d times %s: %d system calls of the shim's own, %d others:%s\n", kind.calls, kind.name,
           calls.own, calls.others, calls.which.c_str());
    CHECK_EQ(calls.others, 0);
    CHECK(calls.own <= kind.calls * kind.own_percent / 100);
  }
  // The position is the kernel's: one system call, as without the shim.
  const SystemCalls calls = CountSystemCalls([&] { WarmUp(fd); },
                                             [&] {
                                               for (int i = 0; i < 100; i++)
                                                 if (read(fd, buffer, 100) != 100)
                                                   FAIL("read %d", i);
                                             });
  CHECK(calls.others >= 100 && calls.others <= 110);
  return 0;
}
