// SPDX-License-Identifier: Apache-2.0
// New files belong to the file system user of the thread that makes them, with its umask; chown
// and chmod say what is read back, in any number.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/fsuid.h>

#include "files.h"

using namespace vos::testing;

static void CheckOwner(const char* name, uid_t user, gid_t group, mode_t mode) {
  const struct stat status = StatOf(name);
  if (status.st_uid != user || status.st_gid != group || status.st_mode != mode)
    FAIL("%s: %u:%u %o, not %u:%u %o", name, status.st_uid, status.st_gid, status.st_mode, user,
         group, mode);
}

int main() {
  NeedRoot();
  Directory directory(0777);
  As(kAlice, {kSharedGroup}, [] {
    umask(027);
    Put("file", "x", 0666);
    CheckOwner("file", kAlice, kAlice, S_IFREG | 0640);
    CHECK_OK(mkdir("directory", 0777));
    CheckOwner("directory", kAlice, kAlice, S_IFDIR | 0750);
    CHECK_OK(symlink("x", "link"));
    CheckOwner("link", kAlice, kAlice, S_IFLNK | 0777);
    CHECK_OK(mkfifo("fifo", 0666));
    CheckOwner("fifo", kAlice, kAlice, S_IFIFO | 0640);
    umask(0);
    Put("open", "x", 0666);
    CheckOwner("open", kAlice, kAlice, S_IFREG | 0666);
    umask(0777);
    const Fd fd = Open("none", O_RDWR | O_CREAT, 0666);
    CheckOwner("none", kAlice, kAlice, S_IFREG);
    Write(fd, "writable all the same");
    // Bits beyond the permissions come along.
    umask(0);
    CHECK_OK(mkdir("sticky", 01777));
    CheckOwner("sticky", kAlice, kAlice, S_IFDIR | 01777);
  });

  // Threads of one process, each with a user of its own for files, at the same time.
  {
    umask(022);
    std::vector<Thread*> threads;
    for (uid_t i = 0; i < 4; i++)
      threads.push_back(new Thread([i] {
        syscall(SYS_setfsgid, kBob + 10 + i);
        syscall(SYS_setfsuid, kBob + i);
        for (int round = 0; round < 10; round++) {
          const std::string name = "thread-" + std::to_string(i) + "-" + std::to_string(round);
          {
            const Fd fd = Open(name, O_RDWR | O_CREAT | O_EXCL, 0666);
          }
          CheckOwner(name.c_str(), kBob + i, kBob + 10 + i, S_IFREG | 0644);
        }
      }));
    for (Thread* thread : threads) delete thread;
  }
  Put("roots", "x");
  CheckOwner("roots", 0, 0, S_IFREG | 0644);

  // Ids of all sizes, each alone and both.
  CHECK_OK(chown("roots", 4'000'000'000u, 65536));
  CheckOwner("roots", 4'000'000'000u, 65536, S_IFREG | 0644);
  CHECK_OK(chown("roots", -1, 7));
  CHECK_OK(chown("roots", 8, -1));
  CheckOwner("roots", 8, 7, S_IFREG | 0644);
  {
    const Fd fd = Open("roots", O_RDWR);
    CHECK_OK(fchown(fd, 9, 10));
    CHECK_OK(fchmod(fd, 01234));
  }
  CheckOwner("roots", 9, 10, S_IFREG | 01234);
  CHECK_OK(lchown("link", 11, 12));
  CheckOwner("link", 11, 12, S_IFLNK | 0777);
  CHECK_OK(fchmodat(AT_FDCWD, "directory", 0, 0));
  CheckOwner("directory", kAlice, kAlice, S_IFDIR);

  // Somebody with more groups than a request carries still makes files as that user.
  std::vector<gid_t> many;
  for (gid_t i = 0; i < 200; i++) many.push_back(62'000 + i);
  As(kBob, many, [] {
    Put("by-many", "x");
    CheckOwner("by-many", kBob, kBob, S_IFREG | 0644);
    CheckSame(Contents("by-many"), "x", "its own file");
  });
  return 0;
}
