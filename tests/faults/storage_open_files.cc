// SPDX-License-Identifier: Apache-2.0
// Files that are open when the storage domain dies go on in the next one: what was synced is there, calls during the
// outage wait and then work, a descriptor that appends appends, a mapping shows the file, a directory finds its names.
// Nobody sees an error: everything was synced.
// tier: fast
// boot: shared
// variants: trap shim
// time: 240
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// Until it waits in the kernel, and only to be killed.
void WaitUntilBlocked(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  int blocked = 0;
  for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end; Sleep(5)) {
    const std::string line = ReadFile(path.c_str());
    const size_t state = line.rfind(')');
    blocked = state != std::string::npos && line[state + 2] == 'D' ? blocked + 1 : 0;
    if (blocked == 4) return;
  }
  FAIL("process %d does not wait", pid);
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  const std::string text = Text(100'000, 71);
  std::string expected = text, log = "first\n";
  Put("file", text);
  Put("log", log);
  CHECK_OK(mkdir("d", 0755));
  Put("d/inside", "inside");
  const Fd file = Open("file", O_RDWR), append = Open("log", O_WRONLY | O_APPEND),
           here = Open(".", O_RDONLY | O_DIRECTORY), mapped = Open("d/inside", O_RDONLY);
  CHECK_OK(fchmod(file, 0400));
  WarmUp(file);
  const Mapping mapping(mapped, 6, PROT_READ, MAP_SHARED);
  CHECK(Same(mapping.data(), "inside", 6));
  CHECK_OK(syncfs(file));
  CHECK_OK(fsync(file));
  CHECK_OK(fsync(append));

  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  Turn started;
  const pid_t reader = Fork([&] {
    const Fd own = Open("file", O_RDONLY);
    WarmUp(own);
    started.Give();
    long calls = 0;
    int64_t longest = 0;
    for (; !*stop; calls++) {
      const int64_t begin = Milliseconds();
      CheckSame(ReadAt(own, 1000, 70'000), text.substr(70'000, 1000), "read all the time");
      longest = std::max(longest, Milliseconds() - begin);
    }
    printf("%ld reads, the longest took %ld ms\n", calls, static_cast<long>(longest));
  });
  started.Take();

  for (int round = 0; round < 2; round++) {
    pid_t waiting = 0;
    Outage(
        [&] {
          waiting = Fork([&] {
            WriteAt(file, "while it is gone", 50'000);
            CHECK_OK(fsync(file));
            const std::string name = "new" + std::to_string(round);
            const Fd fresh = Create(name);
            WriteAt(fresh, "made while it is gone", 0);
            CHECK_OK(fsync(fresh));
          });
          WaitUntilBlocked(waiting);
        },
        "storage");
    Join(waiting);
    expected.replace(50'000, 16, "while it is gone");
    CheckSame(Contents("new" + std::to_string(round)), "made while it is gone", "a new file");

    CheckSame(ReadAt(file, expected.size() + 1, 0), expected, "what was synced");
    WarmUp(file);
    WriteAt(file, "afterwards", 10'000 * round);
    expected.replace(10'000 * round, 10, "afterwards");
    CHECK_OK(fsync(file));
    Write(append, "more\n");
    log += "more\n";
    CHECK_OK(fsync(append));
    CheckSame(Contents("log"), log, "what was appended");
    CHECK_EQ(static_cast<size_t>(StatOf(append).st_size), log.size());
    CHECK(Same(mapping.data(), "inside", 6));
    const Fd again(CHECK_OK(openat(here, "d/inside", O_RDONLY | O_CLOEXEC)));
    CheckSame(ReadAt(again, 100, 0), "inside", "below a directory that was open");
  }
  *stop = true;
  Join(reader);
  CheckSame(Contents("file"), expected, "by its name");
  CHECK_EQ(StatOf("file").st_mode & 07777u, 0400u);
  return 0;
}
