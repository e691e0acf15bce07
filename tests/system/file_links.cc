// SPDX-License-Identifier: Apache-2.0
// Hard and symbolic links: counts, one file by several names, what link and symlink refuse.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  Put("a", "text");
  CHECK_EQ(StatOf("a").st_nlink, 1);
  CHECK_OK(link("a", "b"));
  CHECK_EQ(StatOf("a").st_nlink, 2);
  CHECK_EQ(StatOf("b").st_nlink, 2);
  CHECK_EQ(StatOf("a").st_ino, StatOf("b").st_ino);
  {
    const Fd a = Open("a", O_RDWR), b = Open("b", O_RDWR);
    WarmUp(a);
    WriteAt(a, "TE", 0);
    CheckSame(ReadAt(b, 10, 0), "TExt", "by the other name");
    CHECK_OK(ftruncate(b, 2));
    CHECK_EQ(StatOf(a).st_size, 2);
    CHECK_OK(chmod("b", 0600));
    CHECK_EQ(StatOf("a").st_mode, S_IFREG | 0600);
    CHECK_OK(unlink("a"));
    CHECK_EQ(StatOf("b").st_nlink, 1);
    CHECK_EQ(StatOf(a).st_nlink, 1);
    CHECK_OK(unlink("b"));
    CHECK_EQ(StatOf(a).st_nlink, 0);
  }
  Put("a", "text");
  CHECK_OK(mkdir("d", 0755));
  CHECK_FAILS(link("a", "a"), EEXIST);
  CHECK_FAILS(link("a", "d"), EEXIST);
  CHECK_FAILS(link("absent", "c"), ENOENT);
  CHECK_FAILS(link("a", "absent/c"), ENOENT);
  CHECK_FAILS(link("d", "e"), EPERM);
  CHECK_FAILS(link("a", "/dev/null/x"), ENOTDIR);
  CHECK_FAILS(link("a", "/dev/shm/elsewhere"), EXDEV);
  CHECK_FAILS(unlink("d"), EISDIR);
  CHECK_FAILS(unlink("absent"), ENOENT);
  CHECK_FAILS(unlinkat(AT_FDCWD, "a", AT_REMOVEDIR), ENOTDIR);

  // Directories' own counts.
  CHECK_EQ(StatOf("d").st_nlink, 2);
  CHECK_OK(mkdir("d/e", 0755));
  CHECK_EQ(StatOf("d").st_nlink, 3);
  CHECK_OK(rmdir("d/e"));
  CHECK_EQ(StatOf("d").st_nlink, 2);

  // Many names.
  for (int i = 0; i < 50; i++) CHECK_OK(link("a", ("d/" + std::to_string(i)).c_str()));
  CHECK_EQ(StatOf("a").st_nlink, 51);
  for (int i = 0; i < 50; i++) CHECK_OK(unlink(("d/" + std::to_string(i)).c_str()));
  CHECK_EQ(StatOf("a").st_nlink, 1);

  // Symbolic ones, short (kept in the inode by ext4) and as long as can be.
  char buffer[PATH_MAX + 1];
  CHECK_OK(symlink("a", "s"));
  CHECK_EQ(readlink("s", buffer, sizeof(buffer)), 1);
  CHECK_EQ(readlink("s", buffer, 0) < 0 ? errno : 0, EINVAL);
  const struct stat status = StatOf("s");
  CHECK(S_ISLNK(status.st_mode));
  CHECK_EQ(status.st_size, 1);
  CHECK_EQ(status.st_mode & 0777, 0777);
  CheckSame(Contents("s"), "text", "through a symbolic link");
  for (int size : {59, 60, 61, 1000, 4000}) {
    const std::string target(size, 't'), name = "s" + std::to_string(size);
    CHECK_OK(symlink(target.c_str(), name.c_str()));
    CHECK_EQ(readlink(name.c_str(), buffer, sizeof(buffer)), size);
    CHECK(Same(buffer, target.data(), size));
    CHECK_EQ(readlink(name.c_str(), buffer, 10), 10);
    CHECK_EQ(StatOf(name).st_size, size);
  }
  CHECK_FAILS(symlink(std::string(PATH_MAX, 'x').c_str(), "too-long"), ENAMETOOLONG);
  CHECK_FAILS(symlink("", "empty"), ENOENT);
  CHECK_FAILS(symlink("a", "s"), EEXIST);
  CHECK_FAILS(readlink("a", buffer, sizeof(buffer)), EINVAL);
  // A link to the link itself, and to the file.
  CHECK_OK(link("s", "hard-to-link"));
  CHECK(S_ISLNK(StatOf("hard-to-link").st_mode));
  CHECK_OK(linkat(AT_FDCWD, "s", AT_FDCWD, "hard-to-file", AT_SYMLINK_FOLLOW));
  CHECK(S_ISREG(StatOf("hard-to-file").st_mode));
  // Relative ones, across directories, and the limit of 40.
  CHECK_OK(symlink("../a", "d/up"));
  CheckSame(Contents("d/up"), "text", "a relative link");
  CHECK_OK(symlink("a", "chain-0"));
  for (int i = 1; i <= 40; i++)
    CHECK_OK(symlink(("chain-" + std::to_string(i - 1)).c_str(),
                     ("chain-" + std::to_string(i)).c_str()));
  CheckSame(Contents("chain-39"), "text", "forty links");
  CHECK_FAILS(open("chain-40", O_RDONLY), ELOOP);
  return 0;
}
