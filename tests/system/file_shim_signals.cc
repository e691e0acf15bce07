// SPDX-License-Identifier: Apache-2.0
// Signal handlers that interrupt positioned calls, thousands of times, and use files themselves, or
// jump out of the call: every call that returns did what it says, and the process goes on.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 40
#include <setjmp.h>

#include "files.h"
#include "shim_counters.h"

using namespace vos::testing;

namespace {

constexpr size_t kBlock = 3'000;
int file, handlers_file;
volatile sig_atomic_t handled;
sigjmp_buf escape;

void UseFiles(int) {
  const int saved = errno;
  char mine[64], back[64];
  memset(mine, handled & 127, sizeof(mine));
  if (pwrite(handlers_file, mine, sizeof(mine), 100) != sizeof(mine) ||
      pread(handlers_file, back, sizeof(back), 100) != sizeof(back) ||
      memcmp(mine, back, sizeof(mine)) != 0) {
    _exit(3);
  }
  if (handled % 16 == 0 && fdatasync(handlers_file) != 0) _exit(4);
  handled = handled + 1;
  errno = saved;
}

void JumpOut(int) {
  handled = handled + 1;
  siglongjmp(escape, 1);
}

void Tick(void (*handler)(int), int microseconds) {
  Handle(SIGALRM, handler, SA_RESTART);
  const itimerval timer{{0, microseconds}, {0, microseconds}};
  CHECK_OK(setitimer(ITIMER_REAL, &timer, nullptr));
}

void EndTicks() {
  const itimerval none = {};
  CHECK_OK(setitimer(ITIMER_REAL, &none, nullptr));
}

// A block written at once is read at once.
void CheckBlock(int i) {
  char out[kBlock], in[kBlock];
  memset(out, 'a' + i % 26, sizeof(out));
  const off_t at = static_cast<off_t>(i % 50) * kBlock;
  CHECK_EQ(pwrite(file, out, sizeof(out), at), ssize_t(sizeof(out)));
  CHECK_EQ(pread(file, in, sizeof(in), at), ssize_t(sizeof(in)));
  CHECK(Same(out, in, sizeof(in)));
}

}  // namespace

int main() {
  Directory directory;
  const Fd own = Create("file"), handlers = Create("handlers");
  file = own;
  handlers_file = handlers;
  WarmUp(own);

  Tick(UseFiles, 2'000);
  for (int64_t end = Milliseconds() + 4'000; Milliseconds() < end;)
    for (int i = 0; i < 100; i++) CheckBlock(i);
  CHECK_OK(fsync(own));
  EndTicks();
  printf("%d handlers used files\n", int(handled));
  CHECK(handled > 100);

  // Out of the call, whatever it was at. What it wrote is there or not, but it is not another's.
  handled = 0;
  // Nothing is allocated while a handler may jump out of it.
  const std::string blank(kBlock, '.'), block(kBlock, 'J');
  for (int64_t end = Milliseconds() + 3'000; Milliseconds() < end;) {
    WriteAt(own, blank, 0);
    WriteAt(own, blank, kBlock);
    if (sigsetjmp(escape, 1) == 0) {
      Tick(JumpOut, 500);
      for (;;) {
        if (pwrite(own, block.data(), kBlock, 0) != ssize_t(kBlock)) _exit(5);
      }
    }
    EndTicks();
    const std::string now = ReadAt(own, kBlock, 0);
    if (now != blank) CheckSame(now, block, "the block that was jumped out of");
    CheckSame(ReadAt(own, kBlock, kBlock), blank, "the block behind it");
  }
  printf("%d handlers jumped out of calls\n", int(handled));
  CHECK(handled > 20);
  // It is as fast as ever.
  const uint64_t before = FastFileCalls();
  for (int i = 0; i < 500; i++) CheckBlock(i);
  CheckFastSince(before);
  return 0;
}
