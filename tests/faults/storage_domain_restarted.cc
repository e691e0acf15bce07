// SPDX-License-Identifier: Apache-2.0
// The storage domain is replaced by a new one while it is mounted and files are open: the mount goes on with what was
// on the disk, files that were open give errors and never hang or show another file's bytes, processes open them anew.
// tier: fast
// boot: shared
// variants: trap shim
// time: 120
#include "tests/faults/storage_domain.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  const std::string text = Text(100'000, 61);
  Put("synced", text);
  CHECK_OK(mkdir("d", 0755));
  Put("d/inside", "inside");
  const Fd held = Open("synced", O_RDWR), here = Open(".", O_RDONLY | O_DIRECTORY);
  WarmUp(held);
  WriteAt(held, "changed", 50'000);
  CHECK_OK(fsync(held));
  CHECK_OK(syncfs(held));
  const std::string before = Output("xl domid storage");

  // Somebody who reads all the time: right bytes or an error, until new ones come from a new descriptor.
  Turn started;
  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  const pid_t reader = Fork([&] {
    const Fd own = Open("synced", O_RDONLY);
    started.Give();
    int errors = 0;
    while (!*stop) {
      char buffer[1000];
      const ssize_t got = pread(own, buffer, sizeof(buffer), 7'000);
      if (got == 1000)
        CHECK(Same(buffer, text.data() + 7'000, 1000));
      else
        errors += got < 0;
    }
    CHECK(errors > 0);
  });
  started.Take();
  CHECK_EQ(system("vos restart storage"), 0);
  std::string after;
  for (const int64_t end = Milliseconds() + 8 * kSoon;; Sleep(100)) {
    after = Output("xl domid storage");
    struct stat status;
    if (!after.empty() && after != before && stat("synced", &status) == 0) break;
    if (Milliseconds() > end) FAIL("no new domain serves");
  }
  *stop = true;
  Join(reader);

  // What was open.
  char buffer[100];
  CHECK_FAILS(pread(held, buffer, sizeof(buffer), 0), EIO);
  CHECK_FAILS(pwrite(held, buffer, sizeof(buffer), 0), EIO);
  CHECK_FAILS(fsync(held), EIO);
  // What is opened now, by name and below a directory that was open.
  std::string expected = text;
  expected.replace(50'000, 7, "changed");
  CheckSame(Contents("synced"), expected, "what was synced");
  CheckSame(Contents("d/inside"), "inside", "what was synced");
  const Fd again(CHECK_OK(openat(here, "synced", O_RDWR | O_CLOEXEC)));
  WarmUp(again);
  WriteAt(again, "again", 0);
  CHECK_OK(fsync(again));
  CheckSame(ReadAt(again, 5, 0), "again", "in the new domain");
  Put("new", "new");
  CheckSame(Contents("new"), "new", "made in the new domain");
  CHECK_OK(unlink("new"));
  return 0;
}
