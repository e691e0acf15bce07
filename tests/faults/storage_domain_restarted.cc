// SPDX-License-Identifier: Apache-2.0
// The storage domain is replaced by a new one, on request, while it is mounted and files are open: the mount goes on with
// what was on the disk, and so do files that were open and synced; who reads all the time sees no error.
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

  // Somebody who reads all the time.
  Turn started;
  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  const pid_t reader = Fork([&] {
    const Fd own = Open("synced", O_RDONLY);
    started.Give();
    while (!*stop) {
      char buffer[1000];
      CHECK_EQ(pread(own, buffer, sizeof(buffer), 7'000), 1000);
      CHECK(Same(buffer, text.data() + 7'000, 1000));
    }
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
  std::string expected = text;
  expected.replace(50'000, 7, "changed");
  CheckSame(ReadAt(held, expected.size() + 1, 0), expected, "what was synced");
  WriteAt(held, "by the old one", 20'000);
  expected.replace(20'000, 14, "by the old one");
  CHECK_OK(fsync(held));
  // What is opened now, by name and below a directory that was open.
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
