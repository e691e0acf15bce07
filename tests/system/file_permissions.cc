// SPDX-License-Identifier: Apache-2.0
// Permissions are those of the calling process: its user, its groups, its capabilities;
// directories need search and write; the sticky bit protects names.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/fsuid.h>

#include "files.h"

using namespace vos::testing;

static void Own(const char* name, uid_t user, gid_t group, mode_t mode) {
  CHECK_OK(chown(name, user, group));
  CHECK_OK(chmod(name, mode));
}

int main() {
  NeedRoot();
  Directory directory;
  Put("private", "secret");
  Own("private", kAlice, kAlice, 0600);
  Put("group", "shared");
  Own("group", kAlice, kSharedGroup, 0640);
  Put("world", "public");
  Own("world", kAlice, kAlice, 0604);
  CHECK_OK(mkdir("closed", 0755));
  Put("closed/inside", "inside", 0666);
  Own("closed", kAlice, kAlice, 0700);
  CHECK_OK(mkdir("sticky", 0755));
  CHECK_OK(chmod("sticky", 01777));

  As(kAlice, [] {
    CheckSame(Contents("private"), "secret", "one's own");
    CHECK_OK(access("private", R_OK | W_OK));
    CHECK_FAILS(access("private", X_OK), EACCES);
    CheckSame(Contents("closed/inside"), "inside", "in one's own directory");
    Put("sticky/alices", "x", 0666);
    CHECK_OK(chmod("private", 0640));
    CHECK_OK(chmod("private", 0600));
    CHECK_FAILS(chown("private", kBob, -1), EPERM);
    CHECK_FAILS(chown("private", -1, kSharedGroup), EPERM);
    CHECK_FAILS(open("new", O_RDWR | O_CREAT, 0600), EACCES);
    CHECK_FAILS(mkdir("new", 0700), EACCES);
    CHECK_FAILS(rename("private", "moved"), EACCES);
    CHECK_FAILS(unlink("private"), EACCES);
    CHECK_FAILS(symlink("x", "new"), EACCES);
    CHECK_FAILS(link("private", "new"), EACCES);
  });
  // An owner has the owner's bits, even if they are fewer.
  As(kAlice, {kSharedGroup}, [] {
    CHECK_OK(chmod("group", 0040));
    CHECK_FAILS(open("group", O_RDONLY), EACCES);
    CHECK_OK(chmod("group", 0640));
    CHECK_OK(chown("private", -1, kSharedGroup));
    CHECK_OK(chown("private", -1, kAlice));
  });
  As(kBob, [] {
    CHECK_FAILS(open("private", O_RDONLY), EACCES);
    CHECK_FAILS(open("private", O_WRONLY | O_TRUNC), EACCES);
    CHECK_FAILS(truncate("private", 0), EACCES);
    CHECK_FAILS(open("group", O_RDONLY), EACCES);
    CheckSame(Contents("world"), "public", "for all");
    CHECK_FAILS(open("world", O_RDWR), EACCES);
    CHECK_FAILS(open("closed/inside", O_RDONLY), EACCES);
    CHECK_FAILS(opendir("closed") ? 0 : -1, EACCES);
    struct stat status;
    CHECK_FAILS(stat("closed/inside", &status), EACCES);
    CHECK_OK(stat("private", &status));
    CHECK_FAILS(chmod("world", 0777), EPERM);
    CHECK_FAILS(chown("world", kBob, kBob), EPERM);
    timespec times[2] = {{1, 0}, {1, 0}};
    CHECK_FAILS(utimensat(AT_FDCWD, "world", times, 0), EPERM);
    CHECK_FAILS(utimensat(AT_FDCWD, "world", nullptr, 0), EACCES);
    // In a directory anybody may write to, names belong to their owners.
    CHECK_FAILS(unlink("sticky/alices"), EPERM);
    CHECK_FAILS(rename("sticky/alices", "sticky/bobs"), EPERM);
    Put("sticky/bobs", "b");
    CHECK_FAILS(rename("sticky/bobs", "sticky/alices"), EPERM);
    CHECK_OK(unlink("sticky/bobs"));
    CheckSame(Contents("sticky/alices"), "x", "readable");
  });
  As(kBob, {kSharedGroup}, [] {
    CheckSame(Contents("group"), "shared", "by a supplementary group");
    CHECK_FAILS(open("group", O_WRONLY), EACCES);
  });

  // Search without list, and list without search.
  CHECK_OK(chmod("closed", 0711));
  As(kBob, [] {
    CheckSame(Contents("closed/inside"), "inside", "by its name");
    CHECK_FAILS(open("closed", O_RDONLY | O_DIRECTORY), EACCES);
  });
  CHECK_OK(chmod("closed", 0744));
  As(kBob, [] {
    DIR* stream = opendir("closed");
    CHECK(stream);
    bool found = false;
    while (dirent* entry = readdir(stream)) found |= !strcmp(entry->d_name, "inside");
    CHECK(found);
    closedir(stream);
    CHECK_FAILS(open("closed/inside", O_RDONLY), EACCES);
  });

  // access() asks about the real user, AT_EACCESS about the effective one, and a thread may act as
  // another user for files alone.
  Join(Fork([] {
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresgid(kBob, kBob, 0));
    CHECK_OK(setresuid(kBob, kAlice, 0));
    CHECK_FAILS(access("private", R_OK), EACCES);
    CHECK_OK(faccessat(AT_FDCWD, "private", R_OK, AT_EACCESS));
    CheckSame(Contents("private"), "secret", "by the effective user");
  }));
  {
    Thread other([] {
      syscall(SYS_setfsgid, kBob);
      syscall(SYS_setfsuid, kBob);
      CHECK_FAILS(open("private", O_RDONLY), EACCES);
      syscall(SYS_setfsuid, kAlice);
      CheckSame(Contents("private"), "secret", "by the file system's user");
    });
  }
  // Root reads and writes everything, and executes what somebody may.
  CHECK_OK(chmod("private", 0));
  {
    const Fd fd = Open("private", O_RDWR);
  }
  CHECK_FAILS(access("private", X_OK), EACCES);
  // A capability alone is enough, and so is its absence.
  CHECK_OK(chmod("world", 0755));
  As(kBob, [] { CHECK_OK(access("world", X_OK)); });
  return 0;
}
