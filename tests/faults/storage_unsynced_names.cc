// SPDX-License-Identifier: Apache-2.0
// Names that were made, removed or renamed and not synced when the storage domain died: the next fsync of each of their
// directories says so, once. Names that were synced are there, and no error. A file that was open and is not on the
// disk any more gives EIO for good.
// tier: fast
// boot: shared
// variants: trap shim
// time: 90
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// One directory for each way to change names.
constexpr const char* kDirectories[] = {"create", "mkdir", "symlink", "link",   "unlink",   "rmdir",
                                        "rename", "into",  "synced",  "global", "untouched"};

// The descriptor of a file that was never synced.
Fd MakeChanges() {
  {
    const Fd fd = Create("create/new");
  }
  CHECK_OK(mkdir("mkdir/new", 0755));
  CHECK_OK(symlink("somewhere", "symlink/new"));
  CHECK_OK(link("link/old", "link/new"));
  CHECK_OK(unlink("unlink/old"));
  CHECK_OK(rmdir("rmdir/directory"));
  // A change of both directories.
  CHECK_OK(rename("rename/old", "into/new"));
  return Create("create/open");
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  for (const char* name : kDirectories) {
    CHECK_OK(mkdir(name, 0755));
    Put(std::string(name) + "/old", "old");
  }
  CHECK_OK(mkdir("rmdir/directory", 0755));
  // What was made and synced with everything else has nothing to tell.
  CHECK_OK(mkdir("global/new", 0755));
  sync();
  const Fd untouched = Open("untouched", O_RDONLY | O_DIRECTORY),
           create = Open("create", O_RDONLY | O_DIRECTORY);
  Put("synced/new", "new");
  {
    const Fd synced = Open("synced", O_RDONLY | O_DIRECTORY), file = Open("synced/new", O_RDONLY);
    CHECK_OK(fsync(file));
    CHECK_OK(fsync(synced));
  }

  const DomainState before = DomainNamed("storage");
  Fd lost;
  {
    // Nothing comes between the changes and the end of the domain that would write them.
    SupervisorStopped supervisor;
    lost = MakeChanges();
    Kill("destroy", "storage");
    AwaitFailure(before);
  }
  AwaitRecovery(before);

  for (const char* name :
       {"create", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "into"}) {
    const Fd fd = Open(name, O_RDONLY | O_DIRECTORY);
    errno = 0;
    if (fsync(fd) != -1 || errno != EIO) FAIL("fsync of the directory %s tells nothing", name);
    CHECK_OK(fsync(fd));
  }
  // Unless the disk's file system happened to write its names in that moment.
  if (!Exists("create/open")) {
    char byte;
    for (int i = 0; i < 2; i++) {
      CHECK_FAILS(pread(lost, &byte, 1, 0), EIO);
      CHECK_FAILS(write(lost, "x", 1), EIO);
      CHECK_FAILS(fsync(lost), EIO);
      CHECK_FAILS(fchmod(lost, 0600), EIO);
      CHECK_FAILS(futimens(lost, nullptr), EIO);
      struct stat status;
      CHECK_FAILS(fstat(lost, &status), EIO);
    }
  }
  CHECK_OK(fsync(create));
  CHECK_OK(fsync(untouched));
  for (const char* name : {"synced", "global"}) {
    const Fd fd = Open(name, O_RDONLY | O_DIRECTORY);
    CHECK_OK(fsync(fd));
    CHECK(Exists(std::string(name) + "/new"));
  }
  // Whoever makes the change again and syncs it has it.
  if (!Exists("mkdir/new")) CHECK_OK(mkdir("mkdir/new", 0755));
  {
    const Fd fd = Open("mkdir", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fsync(fd));
  }
  Outage([] {}, {"storage"});
  CHECK(Exists("mkdir/new"));
  {
    const Fd fd = Open("mkdir", O_RDONLY | O_DIRECTORY);
    CHECK_OK(fsync(fd));
  }
  return 0;
}
