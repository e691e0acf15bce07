// SPDX-License-Identifier: Apache-2.0
// O_PATH: a name held on to, neither read nor written, from which the file can be opened, statted
// and linked.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  Put("file", "text");
  CHECK_OK(symlink("file", "link"));
  CHECK_OK(mkdir("directory", 0755));
  const Fd path = Open("file", O_PATH);
  char byte;
  CHECK_FAILS(read(path, &byte, 1), EBADF);
  CHECK_FAILS(pread(path, &byte, 1, 0), EBADF);
  CHECK_FAILS(pwrite(path, "x", 1, 0), EBADF);
  CHECK_FAILS(fchmod(path, 0600), EBADF);
  CHECK(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, path, 0) == MAP_FAILED && errno == EBADF);
  CHECK_EQ(StatOf(path).st_size, 4);
  CHECK_EQ(fcntl(path, F_GETFL) & O_PATH, O_PATH);

  // It stays the same file under another name, and without one.
  CHECK_OK(rename("file", "moved"));
  const std::string self = "/proc/self/fd/" + std::to_string(path);
  {
    const Fd fd = Open(self, O_RDWR);
    Write(fd, "TE");
    CheckSame(ReadAt(fd, 10, 0), "TExt", "opened from O_PATH");
  }
  CHECK_OK(linkat(AT_FDCWD, self.c_str(), AT_FDCWD, "second", AT_SYMLINK_FOLLOW));
  CHECK_EQ(StatOf("second").st_ino, StatOf(path).st_ino);
  CHECK_OK(unlink("second"));
  CHECK_OK(unlink("moved"));
  CHECK_EQ(StatOf(path).st_nlink, 0);

  // The link itself.
  const Fd link = Open("link", O_PATH | O_NOFOLLOW);
  CHECK(S_ISLNK(StatOf(link).st_mode));
  char target[16] = {};
  CHECK_EQ(readlinkat(link, "", target, sizeof(target)), 4);
  CHECK(Same(target, "file", 5));

  const Fd below = Open("directory", O_PATH | O_DIRECTORY);
  const Fd inside(CHECK_OK(openat(below, "inside", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  CHECK_OK(fchdir(below));
  CHECK(Exists("inside"));
  struct stat status;
  CHECK_OK(fstatat(below, "inside", &status, 0));

  // A path needs no permission on the file.
  if (getuid() == 0) {
    CHECK_OK(chdir(".."));
    CHECK_OK(chmod("directory/inside", 0600));
    As(kAlice, [&] {
      const Fd held = Open("directory/inside", O_PATH);
      CHECK_EQ(StatOf(held).st_size, 0);
      CHECK_FAILS(open(("/proc/self/fd/" + std::to_string(held)).c_str(), O_RDONLY), EACCES);
    });
  }
  return 0;
}
