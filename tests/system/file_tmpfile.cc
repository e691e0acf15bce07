// SPDX-License-Identifier: Apache-2.0
// O_TMPFILE: a file without a name, which may be given one, unless O_EXCL forbids it.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

static int Link(int fd, const char* name) {
  return linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(fd)).c_str(), AT_FDCWD, name,
                AT_SYMLINK_FOLLOW);
}

int main() {
  Directory directory;
  const int first = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
  if (first < 0) {
    CHECK(errno == EOPNOTSUPP && MayLack());
    SKIP("this file system has no O_TMPFILE");
  }
  const Fd fd(first);
  CHECK_EQ(StatOf(fd).st_mode, S_IFREG | 0640);
  CHECK_EQ(StatOf(fd).st_nlink, 0);
  const std::string text = Text(10'000, 3);
  Write(fd, text);
  WarmUp(fd);
  CheckSame(ReadAt(fd, 20'000, 0), text, "without a name");
  WriteAt(fd, "more", 10'000);

  // Nobody sees it in the directory.
  {
    DIR* stream = opendir(".");
    int entries = 0;
    while (readdir(stream)) entries++;
    closedir(stream);
    CHECK_EQ(entries, 2);
  }
  CHECK_OK(Link(fd, "named"));
  CHECK_EQ(StatOf(fd).st_nlink, 1);
  CheckSame(Contents("named"), text + "more", "with a name");
  CHECK_EQ(StatOf("named").st_ino, StatOf(fd).st_ino);
  CHECK_FAILS(Link(fd, "named"), EEXIST);
  CHECK_OK(Link(fd, "again"));
  CHECK_EQ(StatOf(fd).st_nlink, 2);

  const Fd exclusive = Open(".", O_TMPFILE | O_RDWR | O_EXCL);
  Write(exclusive, "x");
  CHECK_FAILS(Link(exclusive, "never"), ENOENT);

  CHECK_FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
  CHECK_FAILS(open("named", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
  CHECK_FAILS(open("absent", O_TMPFILE | O_RDWR, 0600), ENOENT);

  // It goes with its last descriptor, wherever that is.
  Fd passed = Open(".", O_TMPFILE | O_RDWR);
  Write(passed, text);
  const pid_t child = Fork([&] { CheckSame(ReadAt(passed, 20'000, 0), text, "in a child"); });
  passed.Reset();
  Join(child);
  return 0;
}
