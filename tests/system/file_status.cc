// SPDX-License-Identifier: Apache-2.0
// What stat and statx tell: kind, number, links, room, block size, birth; the same for a name and
// a descriptor; a number is one file's, and a new file of the same name has another or a new
// birth.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/sysmacros.h>

#include "files.h"

using namespace vos::testing;

static struct statx Told(int at, const char* name, int flags = 0) {
  struct statx told;
  CHECK_OK(statx(at, name, flags, STATX_BASIC_STATS | STATX_BTIME, &told));
  return told;
}

int main() {
  Directory directory;
  Put("file", std::string(10'000, 'x'));
  const Fd fd = Open("file", O_RDWR);
  CHECK_OK(fsync(fd));
  const struct stat by_name = StatOf("file"), by_descriptor = StatOf(fd);
  CHECK_EQ(by_name.st_ino, by_descriptor.st_ino);
  CHECK_EQ(by_name.st_dev, by_descriptor.st_dev);
  CHECK_EQ(by_name.st_dev, StatOf(".").st_dev);
  CHECK(S_ISREG(by_name.st_mode));
  CHECK_EQ(by_name.st_nlink, 1);
  CHECK_EQ(by_name.st_size, 10'000);
  CHECK(by_name.st_blocks >= 20 && by_name.st_blocks <= 256);
  CHECK(by_name.st_blksize >= 512);
  const struct statx told = Told(AT_FDCWD, "file");
  CHECK_EQ(told.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
  CHECK_EQ(told.stx_ino, by_name.st_ino);
  CHECK_EQ(told.stx_size, 10'000);
  CHECK_EQ(makedev(told.stx_dev_major, told.stx_dev_minor), by_name.st_dev);
  CHECK_EQ(Told(fd, "", AT_EMPTY_PATH).stx_ino, told.stx_ino);
  for (int flags : {AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC})
    CHECK_EQ(Told(AT_FDCWD, "file", flags).stx_size, 10'000);
  if (told.stx_mask & STATX_BTIME) {
    CHECK(told.stx_btime.tv_sec <= told.stx_mtime.tv_sec);
    CHECK(told.stx_btime.tv_sec > 1'000'000'000);
    // Neither writing nor renaming makes it younger.
    WriteAt(fd, "y", 0);
    CHECK_OK(rename("file", "moved"));
    CHECK_EQ(Told(AT_FDCWD, "moved").stx_btime.tv_nsec, told.stx_btime.tv_nsec);
    CHECK_OK(rename("moved", "file"));
  }
  // Numbers are those of the list, and stay.
  CHECK_EQ(StatOf("file").st_ino, by_name.st_ino);
  std::vector<ino_t> numbers;
  for (int i = 0; i < 50; i++) {
    const std::string name = "many-" + std::to_string(i);
    {
      const Fd created = Create(name);
    }
    for (const ino_t other : numbers) CHECK(other != StatOf(name).st_ino);
    numbers.push_back(StatOf(name).st_ino);
  }
  // A number that is used again is another file: an old descriptor does not see the new one.
  Put("old", "old");
  const Fd old = Open("old", O_RDONLY);
  CHECK_OK(unlink("old"));
  for (int i = 0; i < 30; i++) {
    Put("old", "new");
    CHECK(StatOf("old").st_ino != StatOf(old).st_ino);
    CheckSame(ReadAt(old, 10, 0), "old", "the old file");
    CHECK_OK(unlink("old"));
  }
  Put("name", "one");
  for (int i = 0; i < 30; i++) {
    const std::string text = "text " + std::to_string(i);
    CHECK_OK(unlink("name"));
    Put("name", text);
    CheckSame(Contents("name"), text, "made anew");
    CHECK_EQ(StatOf("name").st_size, text.size());
  }
  struct stat status;
  CHECK_FAILS(stat("absent", &status), ENOENT);
  CHECK_FAILS(stat("file/x", &status), ENOTDIR);
  return 0;
}
