// SPDX-License-Identifier: Apache-2.0
// rename and the flags of renameat2, of files and directories, with open descriptors going on.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

static int Rename(const char* from, const char* to, unsigned flags) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

int main() {
  Directory directory;
  Put("a", "text of a");
  Put("b", "text of b");
  const ino_t a = StatOf("a").st_ino, b = StatOf("b").st_ino;

  // Over another one, whose open descriptor keeps the old file.
  {
    const Fd held = Open("b", O_RDWR);
    WarmUp(held);
    CHECK_OK(rename("a", "b"));
    CHECK(!Exists("a"));
    CHECK_EQ(StatOf("b").st_ino, a);
    CHECK_EQ(StatOf(held).st_ino, b);
    CHECK_EQ(StatOf(held).st_nlink, 0);
    CheckSame(ReadAt(held, 100, 0), "text of b", "the replaced file");
    WriteAt(held, "still", 0);
    CheckSame(Contents("b"), "text of a", "the new file");
  }
  // An open file under a new name.
  {
    const Fd held = Open("b", O_RDWR);
    WarmUp(held);
    CHECK_OK(rename("b", "c"));
    WriteAt(held, "TEXT", 0);
    CheckSame(Contents("c"), "TEXT of a", "renamed while open");
    CHECK_OK(rename("c", "a"));
  }
  // Two names of one file: nothing happens.
  CHECK_OK(link("a", "same"));
  CHECK_OK(rename("a", "same"));
  CHECK(Exists("a") && Exists("same"));
  CHECK_OK(unlink("same"));

  CHECK_FAILS(rename("absent", "b"), ENOENT);
  CHECK_FAILS(rename("a", "absent/b"), ENOENT);
  CHECK_OK(mkdir("d", 0755));
  CHECK_OK(mkdir("e", 0755));
  CHECK_FAILS(rename("a", "d"), EISDIR);
  CHECK_FAILS(rename("d", "a"), ENOTDIR);
  CHECK_FAILS(rename("d", "d/below"), EINVAL);
  Put("e/inside", "x");
  CHECK_FAILS(rename("d", "e"), ENOTEMPTY);
  CHECK_OK(rename("e", "d"));
  CHECK(Exists("d/inside") && !Exists("e"));

  // A directory moves between directories: its .. and the link counts follow.
  CHECK_OK(mkdir("from", 0755));
  CHECK_OK(mkdir("to", 0755));
  CHECK_OK(mkdir("from/x", 0755));
  CHECK_EQ(StatOf("from").st_nlink, 3);
  CHECK_EQ(StatOf("to").st_nlink, 2);
  CHECK_OK(rename("from/x", "to/y"));
  CHECK_EQ(StatOf("from").st_nlink, 2);
  CHECK_EQ(StatOf("to").st_nlink, 3);
  CHECK_EQ(StatOf("to/y/..").st_ino, StatOf("to").st_ino);

  Put("b", "text of b");
  CHECK_FAILS(Rename("a", "b", RENAME_NOREPLACE), EEXIST);
  CHECK_FAILS(Rename("a", "d", RENAME_NOREPLACE), EEXIST);
  CHECK_OK(Rename("a", "c", RENAME_NOREPLACE));
  CheckSame(Contents("c"), "TEXT of a", "RENAME_NOREPLACE");

  CHECK_OK(Rename("b", "c", RENAME_EXCHANGE));
  CheckSame(Contents("c"), "text of b", "RENAME_EXCHANGE");
  CheckSame(Contents("b"), "TEXT of a", "RENAME_EXCHANGE");
  CHECK_OK(Rename("b", "d", RENAME_EXCHANGE));
  CHECK(S_ISDIR(StatOf("b").st_mode) && S_ISREG(StatOf("d").st_mode) && Exists("b/inside"));
  CHECK_OK(Rename("to/y", "from", RENAME_EXCHANGE));
  CHECK_EQ(StatOf("to").st_nlink, 3);
  CHECK_FAILS(Rename("d", "absent", RENAME_EXCHANGE), ENOENT);
  CHECK_FAILS(Rename("d", "c", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
  CHECK_FAILS(Rename("d", "c", 1u << 20), EINVAL);

  // A whiteout stays at the old name; making one takes a privilege.
  if (getuid() == 0) {
    CHECK_OK(Rename("d", "moved", RENAME_WHITEOUT));
    CHECK(S_ISCHR(StatOf("d").st_mode));
    CHECK_EQ(StatOf("d").st_rdev, 0);
    CheckSame(Contents("moved"), "TEXT of a", "RENAME_WHITEOUT");
  }

  // Whoever looks sees either the old file or the new one.
  Put("name", "0");
  const pid_t child = Fork([&] {
    for (int i = 1; i <= 100; i++) {
      Put("new", std::to_string(i));
      CHECK_OK(rename("new", "name"));
    }
  });
  int last = 0, status = 0;
  while (last < 100) {
    const int seen = atoi(Contents("name").c_str());
    CHECK(seen >= last);
    last = seen;
    if (waitpid(child, &status, WNOHANG) == child) {
      CHECK_EQ(status, 0);
      CheckSame(Contents("name"), "100", "the last one");
      return 0;
    }
  }
  Join(child);
  return 0;
}
