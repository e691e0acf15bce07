// SPDX-License-Identifier: Apache-2.0
// The opener's permissions hold for data: a descriptor works for whoever holds it, another user,
// after the mode changed, after the user changed, and gives no more than it was opened for.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"
#include "rights.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  Put("secret", std::string(1000, 's'), 0600);

  // Given by root to processes that could never open it.
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  const Fd here(ends[0]), there(ends[1]);
  {
    const Fd read_only = Open("secret", O_RDONLY), both = Open("secret", O_RDWR);
    Pass(here, read_only);
    Pass(here, both);
  }
  As(kAlice, [&] {
    CHECK_FAILS(open("secret", O_RDONLY), EACCES);
    const Fd read_only = Take(there), both = Take(there);
    for (int round = 0; round < 2; round++) {
      CheckSame(ReadAt(read_only, 10, 5), "ssssssssss", "a descriptor passed on");
      CHECK_FAILS(pwrite(read_only, "x", 1, 0), EBADF);
      CHECK_FAILS(ftruncate(read_only, 0), EINVAL);
      CHECK_FAILS(fallocate(read_only, 0, 0, 10), EBADF);
      WriteAt(both, "alice", 100);
      CHECK_OK(fsync(both));
      WarmUp(read_only);
    }
    // Not more than the descriptor.
    CHECK_FAILS(open(("/proc/self/fd/" + std::to_string(both)).c_str(), O_RDONLY), EACCES);
    CHECK_FAILS(fchmod(both, 0666), EPERM);
    CHECK_OK(ftruncate(both, 500));
  });
  CheckSame(Contents("secret").substr(100, 5), "alice", "written by the other user");
  CHECK_EQ(StatOf("secret").st_size, 500);
  CHECK_EQ(StatOf("secret").st_uid, 0);

  // Opened while it was allowed.
  Put("mine", "mine", 0600);
  CHECK_OK(chown("mine", kAlice, kAlice));
  Turn opened, closed;
  const pid_t child = Fork([&] {
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresgid(kAlice, kAlice, kAlice));
    CHECK_OK(setresuid(kAlice, kAlice, kAlice));
    const Fd fd = Open("mine", O_RDWR);
    WarmUp(fd);
    opened.Give();
    closed.Take();
    WriteAt(fd, "MI", 0);
    CheckSame(ReadAt(fd, 4, 0), "MIne", "after the mode changed");
    CHECK_FAILS(open("mine", O_RDONLY), EACCES);
  });
  opened.Take();
  CHECK_OK(chmod("mine", 0));
  CHECK_OK(chown("mine", 0, 0));
  closed.Give();
  Join(child);

  // The process becomes somebody else: what it has stays, what it opens is decided anew.
  Join(Fork([] {
    const Fd fd = Open("secret", O_RDWR);
    WarmUp(fd);
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresgid(kBob, kBob, kBob));
    CHECK_OK(setresuid(kBob, kBob, kBob));
    WriteAt(fd, "bob", 0);
    CheckSame(ReadAt(fd, 3, 0), "bob", "after setuid");
    CHECK_FAILS(open("secret", O_RDONLY), EACCES);
    const Fd copy(CHECK_OK(dup(fd)));
    WriteAt(copy, "BOB", 0);
  }));
  // And a directory held open.
  CHECK_OK(mkdir("d", 0700));
  Put("d/file", "inside", 0644);
  const Fd d = Open("d", O_RDONLY | O_DIRECTORY);
  As(kBob, [&] { CHECK_FAILS(openat(d, "file", O_RDONLY), EACCES); });
  return 0;
}
