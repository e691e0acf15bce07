// SPDX-License-Identifier: Apache-2.0
// What a process that is killed writes, it has written when its parent hears of its end: nothing
// comes later.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include <signal.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  constexpr size_t kSize = 32 * 1024;
  constexpr int kRounds = 40;
  const Fd file = Create("file");
  WriteAt(file, std::string(kSize, ' '), 0);
  WarmUp(file);
  for (int round = 0; round < kRounds; round++) {
    Turn started;
    const pid_t writer = Fork([&] {
      const Fd own = Open("file", O_RDWR);
      WarmUp(own);
      started.Give();
      for (int i = 0;; i++) WriteAt(own, std::string(kSize, static_cast<char>('a' + i % 26)), 0);
    });
    started.Take();
    Sleep(1 + round % 7);
    CHECK_OK(kill(writer, SIGKILL));
    int status = 0;
    CHECK_EQ(CHECK_OK(waitpid(writer, &status, 0)), writer);
    CHECK(WIFSIGNALED(status));
    const std::string seen = ReadAt(file, kSize + 1, 0);
    CHECK_EQ(seen.size(), kSize);
    Sleep(5);
    CheckSame(ReadAt(file, kSize, 0), seen, "after the end of who wrote");
  }
  return 0;
}
