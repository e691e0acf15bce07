// SPDX-License-Identifier: Apache-2.0
// Mounts of the storage domain: the whole export again, a directory of it, read-only, without
// execution, bound, from a table of mounts; what is refused; an unmounted one goes on for who
// holds files of it.
// tier: fast
// boot: shared
// variants: trap shim
#include <sched.h>
#include <sys/mount.h>

#include "files.h"

using namespace vos::testing;

static int Mount(const std::string& source, const char* target, unsigned long flags = 0,
                 const char* options = nullptr) {
  return mount(source.c_str(), target, "vosfs", flags, options);
}

int main() {
  NeedRoot();
  Directory directory(0777);
  if (!InStorageDomain()) SKIP("not in the storage domain");
  // Where in the export this directory is: /srv shows all of it.
  const std::string name = directory.path().substr(strlen("/srv"));
  CHECK_OK(unshare(CLONE_NEWNS));
  CHECK_OK(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  CHECK_OK(mkdir("export", 0755));
  CHECK_OK(mkdir("export/below", 0755));
  Put("export/file", "text", 0666);
  Put("outside", "outside");
  const char* const at = "/mnt";

  // All of it: the same file system, the same files.
  CHECK_OK(Mount("storage:/", at));
  CHECK_EQ(StatOf(at + name).st_ino, StatOf(".").st_ino);
  CHECK_EQ(StatOf(at + name).st_dev, StatOf(".").st_dev);
  CheckSame(Contents(at + name + "/outside"), "outside", "the whole export");
  {
    const Fd here = Open("export/file", O_RDWR), there = Open(at + name + "/export/file", O_RDWR);
    WarmUp(here);
    WarmUp(there);
    WriteAt(here, "TE", 0);
    CheckSame(ReadAt(there, 4, 0), "TExt", "by the other mount");
    CHECK_OK(ftruncate(there, 2));
    CHECK_EQ(StatOf(here).st_size, 2);
    CHECK_FAILS(umount(at), EBUSY);
  }
  CHECK_OK(umount(at));

  // A directory of it, which is all there is to see.
  CHECK_OK(Mount("storage:" + name + "/export", at));
  CheckSame(Contents("/mnt/file"), "TE", "a sub-directory");
  CHECK(Exists("/mnt/below"));
  CHECK(!Exists("/mnt/outside"));
  CHECK(!Exists("/mnt/../outside"));
  CHECK_EQ(StatOf("/mnt/..").st_ino, StatOf("/").st_ino);
  Put("/mnt/new", "new");
  CheckSame(Contents("export/new"), "new", "made through a sub-directory's mount");
  CHECK_FAILS(rename("/mnt/new", "new"), EXDEV);
  CHECK_FAILS(link("/mnt/new", "new"), EXDEV);
  CHECK_OK(umount(at));
  // Several slashes, and one at the end, change nothing.
  CHECK_OK(Mount("storage:/" + name + "//export/", at));
  CHECK(Exists("/mnt/file"));
  CHECK_OK(umount(at));

  CHECK_FAILS(Mount("storage:" + name + "/absent", at), ENOENT);
  CHECK_FAILS(Mount("storage:" + name + "/outside", at), ENOTDIR);
  CHECK(Mount("storage", at) == -1);
  CHECK(Mount("storage:relative", at) == -1);
  CHECK(Mount("elsewhere:/", at) == -1);
  CHECK(Mount("", at) == -1);
  CHECK(mount(nullptr, at, "vosfs", 0, nullptr) == -1);
  CHECK_FAILS(Mount("storage:/", at, 0, "unknown_option"), EINVAL);
  // No way out of the export.
  if (Mount("storage:/../../../..", at) == 0) {
    CHECK_EQ(StatOf(at).st_ino, StatOf("/srv").st_ino);
    CHECK_OK(umount(at));
  }
  CHECK_OK(symlink("/", "export/escape"));
  CHECK(Mount("storage:" + name + "/export/escape", at) == -1);

  // Read-only here, writable there.
  CHECK_OK(Mount("storage:" + name + "/export", at, MS_RDONLY));
  CheckSame(Contents("/mnt/file"), "TE", "read-only");
  CHECK_FAILS(open("/mnt/file", O_RDWR), EROFS);
  CHECK_FAILS(open("/mnt/x", O_RDWR | O_CREAT, 0600), EROFS);
  CHECK_FAILS(unlink("/mnt/file"), EROFS);
  CHECK_FAILS(mkdir("/mnt/x", 0700), EROFS);
  CHECK_FAILS(chmod("/mnt/file", 0600), EROFS);
  CHECK_FAILS(truncate("/mnt/file", 0), EROFS);
  CHECK_FAILS(access("/mnt/file", W_OK), EROFS);
  {
    const Fd reader = Open("/mnt/file", O_RDONLY);
    WarmUp(reader);
    Put("export/file", "changed");
    CheckSame(ReadAt(reader, 20, 0), "changed", "through a read-only mount");
  }
  CHECK_OK(umount(at));

  // Neither programs nor their bits nor devices.
  Put("export/script", "#!/bin/sh\nexit 0\n", 0755);
  CHECK_OK(mknod("export/null", S_IFCHR | 0666, 1 << 8 | 3));
  CHECK_OK(Mount("storage:" + name + "/export", at, MS_NOEXEC | MS_NODEV | MS_NOSUID));
  Join(Fork([] {
    execl("/mnt/script", "script", nullptr);
    CHECK_EQ(errno, EACCES);
  }));
  CHECK_FAILS(open("/mnt/null", O_RDWR), EACCES);
  CHECK_OK(umount(at));
  CHECK_EQ(system("./export/script"), 0);

  // Bound, and bound read-only.
  CHECK_OK(mount("export", at, nullptr, MS_BIND, nullptr));
  CHECK_OK(mount(nullptr, at, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr));
  CHECK_FAILS(open("/mnt/file", O_RDWR), EROFS);
  CheckSame(Contents("/mnt/file"), "changed", "bound");
  CHECK_OK(umount(at));

  // By mount(8), as from a table.
  const std::string table = "storage:" + name + "/export /mnt vosfs ro,noatime 0 0\n";
  const std::string file = directory.path("fstab");
  Put("fstab", table);
  CHECK_EQ(system(("mount --fstab " + file + " /mnt").c_str()), 0);
  CHECK_FAILS(open("/mnt/file", O_RDWR), EROFS);
  CHECK_EQ(system("umount /mnt"), 0);

  // Taken away lazily: open files and directories stay usable.
  CHECK_OK(Mount("storage:" + name + "/export", at));
  const Fd held = Open("/mnt/file", O_RDWR), below = Open("/mnt/below", O_RDONLY | O_DIRECTORY);
  WarmUp(held);
  CHECK_OK(umount2(at, MNT_DETACH));
  WriteAt(held, "held", 0);
  CheckSame(Contents("export/file").substr(0, 4), "held", "after a lazy unmount");
  const Fd made(CHECK_OK(openat(below, "made", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
  Write(made, "x");
  CHECK(Exists("export/below/made"));

  // Who is not root mounts nothing.
  As(kAlice, [&] { CHECK_FAILS(Mount("storage:/", at), EPERM); });
  return 0;
}
