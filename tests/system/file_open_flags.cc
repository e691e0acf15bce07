// SPDX-License-Identifier: Apache-2.0
// Flags of open: creation, exclusion, truncation, access modes, kinds of files, and what each
// refuses.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  CHECK_FAILS(open("absent", O_RDONLY), ENOENT);
  {
    const Fd fd = Open("file", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK_EQ(StatOf(fd).st_mode, S_IFREG | 0640);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_CREAT | O_EXCL), O_RDWR);
    Write(fd, "contents");
  }
  CHECK_FAILS(open("file", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  // The mode counts only for a new file.
  {
    const Fd fd = Open("file", O_RDWR | O_CREAT, 0777);
  }
  CHECK_EQ(StatOf("file").st_mode, S_IFREG | 0640);
  CHECK_EQ(StatOf("file").st_size, 8);

  // A new file is opened as asked even if its mode would not allow it.
  {
    const Fd fd = Open("read-only", O_RDWR | O_CREAT | O_EXCL, 0444);
    Write(fd, "x");
    CHECK_EQ(StatOf("read-only").st_mode, S_IFREG | 0444);
  }

  char byte;
  {
    const Fd fd = Open("file", O_RDONLY);
    CHECK_FAILS(write(fd, "x", 1), EBADF);
    CHECK_FAILS(pwrite(fd, "x", 1, 0), EBADF);
    CHECK_FAILS(ftruncate(fd, 0), EINVAL);
    CHECK_FAILS(fallocate(fd, 0, 0, 1), EBADF);
    CHECK_EQ(pread(fd, &byte, 1, 7), 1);
  }
  {
    const Fd fd = Open("file", O_WRONLY);
    CHECK_FAILS(read(fd, &byte, 1), EBADF);
    CHECK_FAILS(pread(fd, &byte, 1, 0), EBADF);
    CHECK_EQ(pwrite(fd, "C", 1, 0), 1);
  }
  CheckSame(Contents("file"), "Contents", "rewritten");

  // Truncation happens at the open, for writers.
  const Fd before = Open("file", O_RDONLY);
  {
    const Fd fd = Open("file", O_WRONLY | O_TRUNC);
    CHECK_EQ(StatOf(before).st_size, 0);
    CHECK_EQ(pread(before, &byte, 1, 0), 0);
    Write(fd, "new");
  }
  CheckSame(Contents("file"), "new", "after O_TRUNC");

  CHECK_OK(mkdir("directory", 0755));
  CHECK_FAILS(open("directory", O_WRONLY), EISDIR);
  CHECK_FAILS(open("directory", O_RDWR | O_CREAT, 0600), EISDIR);
  CHECK_FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
  CHECK_FAILS(open("file/below", O_RDONLY), ENOTDIR);
  CHECK_FAILS(open("absent/below", O_RDWR | O_CREAT, 0600), ENOENT);
  {
    const Fd fd = Open("directory", O_RDONLY | O_DIRECTORY);
    CHECK_FAILS(read(fd, &byte, 1), EISDIR);
    CHECK_FAILS(pread(fd, &byte, 1, 0), EISDIR);
    CHECK_OK(fsync(fd));
    const Fd below(CHECK_OK(openat(fd, "below", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
    CHECK(Exists("directory/below"));
  }

  CHECK_OK(symlink("file", "link"));
  CHECK_OK(symlink("dangling-target", "dangling"));
  CHECK_OK(symlink("loop", "loop"));
  CHECK_FAILS(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
  CHECK_FAILS(open("loop", O_RDONLY), ELOOP);
  CheckSame(Contents("link"), "new", "through a link");
  CHECK_FAILS(open("dangling", O_RDONLY), ENOENT);
  CHECK_FAILS(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  {
    const Fd fd = Open("dangling", O_RDWR | O_CREAT);
  }
  CHECK(Exists("dangling-target"));

  // Who wins an exclusive creation is one alone.
  for (int round = 0; round < 10; round++) {
    const std::string name = "exclusive-" + std::to_string(round);
    pid_t children[4];
    for (pid_t& child : children)
      child = Fork([&] {
        const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0) CHECK_EQ(errno, EEXIST);
        _exit(fd < 0 ? 10 : 11);
      });
    int winners = 0;
    for (pid_t child : children) {
      int status;
      CHECK_EQ(waitpid(child, &status, 0), child);
      CHECK(WIFEXITED(status) && WEXITSTATUS(status) / 2 == 5);
      winners += WEXITSTATUS(status) == 11;
    }
    CHECK_EQ(winners, 1);
  }
  return 0;
}
