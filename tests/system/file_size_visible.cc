// SPDX-License-Identifier: Apache-2.0
// What one process does to size, data and times of a file, all others see at once: by descriptor,
// by name, by position, whoever uses the fast path.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const Fd mine = Create("file");
  WriteAt(mine, "start", 0);
  Turn there, back;
  const pid_t child = Fork([&] {
    const Fd fd = Open("file", O_RDWR);
    WarmUp(fd);
    for (int i = 0; i < 30; i++) {
      there.Take();
      const off_t size = 1000 * (i + 1);
      // Size, by both ways of asking, and by reading.
      CHECK_EQ(StatOf(fd).st_size, size);
      CHECK_EQ(StatOf("file").st_size, size);
      CHECK_EQ(lseek(fd, 0, SEEK_END), size);
      char byte;
      CHECK_EQ(pread(fd, &byte, 1, size - 1), 1);
      CHECK_EQ(byte, 'a' + i % 26);
      CHECK_EQ(pread(fd, &byte, 1, size), 0);
      WriteAt(fd, std::string(10, char('A' + i % 26)), size - 10);
      back.Give();
      there.Take();
      CHECK_EQ(StatOf("file").st_size, size / 2);
      CHECK_EQ(pread(fd, &byte, 1, size / 2), 0);
      // Grows again; the other cuts no more than this.
      WriteAt(fd, "x", size + 499);
      back.Give();
    }
  });
  WarmUp(mine);
  for (int i = 0; i < 30; i++) {
    const off_t size = 1000 * (i + 1);
    CHECK_OK(ftruncate(mine, size - 500));
    WriteAt(mine, std::string(500, char('a' + i % 26)), size - 500);
    there.Give();
    back.Take();
    CheckSame(ReadAt(mine, 100, size - 10), std::string(10, char('A' + i % 26)), "the child's");
    CHECK_OK(i % 2 ? ftruncate(mine, size / 2) : truncate("file", size / 2));
    there.Give();
    back.Take();
    CHECK_EQ(StatOf(mine).st_size, size + 500);
    CHECK_EQ(StatOf("file").st_size, size + 500);
  }
  Join(child);

  // A write's time is told by whoever asks next.
  const auto later = [](const timespec& a, const timespec& b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
  };
  for (int i = 0; i < 5; i++) {
    const struct stat before = StatOf("file");
    // Times are as fine as the kernel's clock tick.
    Sleep(20);
    Join(Fork([] {
      const Fd fd = Open("file", O_RDWR);
      WarmUp(fd);
      WriteAt(fd, "t", 0);
    }));
    const struct stat after = StatOf("file"), by_descriptor = StatOf(mine);
    CHECK(later(after.st_mtim, before.st_mtim));
    CHECK(later(after.st_ctim, before.st_ctim));
    CHECK(Same(&after.st_mtim, &by_descriptor.st_mtim, sizeof(timespec)));
    CHECK_EQ(after.st_size, by_descriptor.st_size);
    // Room taken is told as well.
    CHECK(after.st_blocks > 0 || i == 0);
    CHECK_OK(fsync(mine));
  }
  // Mode and owner.
  Join(Fork([] { CHECK_OK(chmod("file", 0600)); }));
  CHECK_EQ(StatOf(mine).st_mode, S_IFREG | 0600);
  return 0;
}
