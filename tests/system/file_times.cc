// SPDX-License-Identifier: Apache-2.0
// Times: set to the nanosecond, to now, or left; moved by reading, writing and changing as they
// must be; who may set them.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

static bool operator==(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}
static bool Later(const timespec& a, const timespec& b) {
  return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

// As `relatime` has it, which looks at the last change and for a day; reads by the fast path included.
static void AccessTimes() {
  const timespec old{1'000'000'000, 5};
  const timespec times[2] = {old, {0, UTIME_OMIT}};
  Put("read", "text");
  CHECK_OK(utimensat(AT_FDCWD, "read", times, 0));
  const Fd quiet = Open("read", O_RDONLY | O_NOATIME);
  WarmUp(quiet);
  CHECK(StatOf("read").st_atim == old);
  const Fd fd = Open("read", O_RDONLY);
  // Later than the change: as old as that is not new enough.
  Sleep(20);
  ReadAt(fd, 4, 0);
  const timespec first = StatOf(fd).st_atim;
  CHECK(Later(first, old));
  Sleep(20);
  WarmUp(fd);
  CHECK(StatOf("read").st_atim == first);
  // Every reader has its fast path by now.
  CHECK_OK(futimens(fd, times));
  CHECK(StatOf(fd).st_atim == old);
  ReadAt(quiet, 4, 0);
  CHECK(StatOf(fd).st_atim == old);
  ReadAt(fd, 4, 0);
  CHECK(Later(StatOf(fd).st_atim, first));
  CHECK(Later(StatOf("read").st_atim, first));
}

int main() {
  Directory directory;
  Put("file", "text");
  const timespec atime{1'000'000'000, 123'456'789}, mtime{2'000'000'000, 987'654'321};
  timespec times[2] = {atime, mtime};
  CHECK_OK(utimensat(AT_FDCWD, "file", times, 0));
  CHECK(StatOf("file").st_atim == atime);
  CHECK(StatOf("file").st_mtim == mtime);
  const Fd fd = Open("file", O_RDWR);
  CHECK(StatOf(fd).st_mtim == mtime);
  // From before 1970, and beyond 2038.
  times[0] = {-1'000, 1};
  times[1] = {8'000'000'000, 5};
  CHECK_OK(futimens(fd, times));
  CHECK(StatOf("file").st_atim == times[0]);
  CHECK(StatOf("file").st_mtim == times[1]);

  times[0] = atime;
  times[1] = {0, UTIME_OMIT};
  CHECK_OK(futimens(fd, times));
  CHECK(StatOf("file").st_atim == atime);
  CHECK_EQ(StatOf("file").st_mtim.tv_sec, 8'000'000'000);
  times[0] = {0, UTIME_OMIT};
  times[1] = {0, UTIME_NOW};
  timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  CHECK_OK(utimensat(AT_FDCWD, "file", times, 0));
  CHECK(StatOf("file").st_atim == atime);
  CHECK(StatOf("file").st_mtim.tv_sec >= now.tv_sec - 2);
  CHECK(StatOf("file").st_mtim.tv_sec <= now.tv_sec + 60);
  times[1] = {0, 1'000'000'000};
  CHECK_FAILS(utimensat(AT_FDCWD, "file", times, 0), EINVAL);
  CHECK_FAILS(utimensat(AT_FDCWD, "absent", nullptr, 0), ENOENT);

  // A link's own.
  CHECK_OK(symlink("file", "link"));
  times[0] = atime;
  times[1] = mtime;
  CHECK_OK(utimensat(AT_FDCWD, "link", times, AT_SYMLINK_NOFOLLOW));
  CHECK(StatOf("link").st_mtim == mtime);
  CHECK(!(StatOf("file").st_mtim == mtime));

  // Times as fine as a clock tick follow what is done, through the fast path as well.
  WarmUp(fd);
  struct stat before = StatOf(fd), after;
  const auto step = [&](bool modified, bool changed, const char* what) {
    after = StatOf(fd);
    if (Later(after.st_mtim, before.st_mtim) != modified) FAIL("%s: modification time", what);
    if (Later(after.st_ctim, before.st_ctim) != changed) FAIL("%s: change time", what);
    before = after;
    Sleep(20);
  };
  Sleep(20);
  WriteAt(fd, "w", 0);
  step(true, true, "write");
  ReadAt(fd, 4, 0);
  step(false, false, "read");
  CHECK_OK(ftruncate(fd, 100));
  step(true, true, "truncate");
  CHECK_OK(fchmod(fd, 0600));
  step(false, true, "chmod");
  CHECK_OK(link("file", "second"));
  step(false, true, "link");
  CHECK_OK(rename("second", "third"));
  CHECK_OK(unlink("third"));
  step(false, true, "unlink");
  CHECK_OK(fallocate(fd, 0, 0, 10'000));
  step(true, true, "fallocate");
  {
    Mapping mapping(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    mapping.data()[0] = 'm';
    CHECK_OK(msync(mapping.data(), 4096, MS_SYNC));
  }
  step(true, true, "mapping");

  AccessTimes();

  // A directory's, by what is made and removed in it.
  const struct stat made = StatOf(".");
  Sleep(20);
  Put("new", "x");
  CHECK(Later(StatOf(".").st_mtim, made.st_mtim));
  const struct stat then = StatOf(".");
  Sleep(20);
  CHECK_OK(unlink("new"));
  CHECK(Later(StatOf(".").st_mtim, then.st_mtim));

  if (getuid() == 0) {
    CHECK_OK(chmod("file", 0666));
    As(kAlice, [&] {
      // Who may write may set them to now, not to another time.
      CHECK_FAILS(utimensat(AT_FDCWD, "file", times, 0), EPERM);
      CHECK_OK(utimensat(AT_FDCWD, "file", nullptr, 0));
    });
  }
  return 0;
}
