// SPDX-License-Identifier: Apache-2.0
// RLIMIT_FSIZE: writes up to it are short, beyond it SIGXFSZ and EFBIG, by every call; raised
// again, all works.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

static volatile sig_atomic_t signals;

int main() {
  Directory directory;
  const Fd fd = Create("file");
  WarmUp(fd);
  WriteAt(fd, std::string(5'000, 'x'), 0);
  rlimit old;
  CHECK_OK(getrlimit(RLIMIT_FSIZE, &old));
  Handle(SIGXFSZ, [](int) { signals = signals + 1; });
  const auto expect = [](long result, const char* what) {
    const int error = errno;
    if (result != -1 || error != EFBIG) FAIL("%s gives %ld", what, result);
    if (signals != 1) FAIL("%s: %d signals", what, int(signals));
    signals = 0;
  };
  const rlimit limit{10'000, old.rlim_max};
  CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
  for (int round = 0; round < 2; round++) {
    WriteAt(fd, "in", 9'998);
    const std::string text(100, 'y');
    CHECK_EQ(pwrite(fd, text.data(), 100, 9'950), 50);
    CHECK_EQ(StatOf(fd).st_size, 10'000);
    expect(pwrite(fd, "x", 1, 10'000), "pwrite");
    CHECK_EQ(lseek(fd, 20'000, SEEK_SET), 20'000);
    expect(write(fd, "x", 1), "write");
    expect(ftruncate(fd, 10'001), "ftruncate");
    expect(truncate("file", 10'001), "truncate");
    expect(fallocate(fd, 0, 9'000, 2'000), "fallocate");
    CHECK_EQ(StatOf(fd).st_size, 10'000);
    WarmUp(fd);
  }
  // A child has the limit, too, and a process that had none gets it while it is fast.
  Join(Fork([&] {
    expect(pwrite(fd, "x", 1, 10'000), "pwrite of a child");
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
    WarmUp(fd);
    WriteAt(fd, "beyond", 20'000);
    CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
    expect(pwrite(fd, "x", 1, 30'000), "pwrite after a new limit");
  }));
  CHECK_OK(setrlimit(RLIMIT_FSIZE, &old));
  WriteAt(fd, "beyond", 30'000);
  CHECK_EQ(StatOf(fd).st_size, 30'006);
  Turn ready;
  const pid_t child = Fork([&] {
    WarmUp(fd);
    ready.Give();
    while (signals == 0) {
      if (pwrite(fd, "x", 1, 40'000) < 0) CHECK_EQ(errno, EFBIG);
      Sleep(1);
    }
  });
  ready.Take();
  CHECK_OK(prlimit(child, RLIMIT_FSIZE, &limit, nullptr));
  Join(child);
  return 0;
}
