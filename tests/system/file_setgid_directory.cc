// SPDX-License-Identifier: Apache-2.0
// A directory with the set-group-id bit gives its group to what is made in it, and the bit to
// directories; files get the bit only if their maker is of that group.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  CHECK_OK(mkdir("d", 0777));
  CHECK_OK(chown("d", kBob, kSharedGroup));
  CHECK_OK(chmod("d", 02777));
  CHECK_EQ(StatOf("d").st_mode, S_IFDIR | 02777);

  As(kAlice, [] {
    umask(0);
    Put("d/file", "x", 0664);
    CHECK_EQ(StatOf("d/file").st_uid, kAlice);
    CHECK_EQ(StatOf("d/file").st_gid, kSharedGroup);
    CHECK_EQ(StatOf("d/file").st_mode, S_IFREG | 0664);
    CHECK_OK(mkdir("d/e", 0755));
    CHECK_EQ(StatOf("d/e").st_gid, kSharedGroup);
    CHECK_EQ(StatOf("d/e").st_mode, S_IFDIR | 02755);
    CHECK_OK(mkdir("d/e/f", 0700));
    CHECK_EQ(StatOf("d/e/f").st_gid, kSharedGroup);
    CHECK_EQ(StatOf("d/e/f").st_mode, S_IFDIR | 02700);
    CHECK_OK(symlink("x", "d/link"));
    CHECK_EQ(StatOf("d/link").st_gid, kSharedGroup);
    CHECK_OK(mkfifo("d/fifo", 0600));
    CHECK_EQ(StatOf("d/fifo").st_gid, kSharedGroup);
    // Who is not of the group can't make a program that runs as it.
    {
      const Fd fd = Open("d/program", O_RDWR | O_CREAT, 02775);
    }
    CHECK_EQ(StatOf("d/program").st_mode, S_IFREG | 0775);
    CHECK_OK(chmod("d/program", 02775));
    CHECK_EQ(StatOf("d/program").st_mode, S_IFREG | 0775);
    // A file without a name.
    const int fd = open("d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) {
      CHECK_EQ(StatOf(fd).st_gid, kSharedGroup);
      close(fd);
    } else {
      CHECK(errno == EOPNOTSUPP && MayLack());
    }
  });
  As(kBob, {kSharedGroup}, [] {
    umask(0);
    {
      const Fd fd = Open("d/members", O_RDWR | O_CREAT, 02775);
    }
    CHECK_EQ(StatOf("d/members").st_mode, S_IFREG | 02775);
    CHECK_EQ(StatOf("d/members").st_gid, kSharedGroup);
    CHECK_OK(chmod("d/members", 02770));
    CHECK_EQ(StatOf("d/members").st_mode, S_IFREG | 02770);
  });
  CHECK_OK(chmod("d", 0777));
  CHECK_OK(chmod("d", 00777));
  As(kAlice, [] {
    Put("d/plain", "x");
    CHECK_EQ(StatOf("d/plain").st_gid, kAlice);
  });
  return 0;
}
