// SPDX-License-Identifier: Apache-2.0
// A file without a name lives as long as a descriptor, a mapping, a copy or a message holds it,
// and its room comes back after the last; its name may be another file's meanwhile.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  constexpr size_t kSize = 1 << 20;
  const std::string text = Text(kSize, 12);
  Put("file", text);
  Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  CHECK_OK(unlink("file"));
  CHECK_EQ(StatOf(fd).st_nlink, 0);
  CHECK(!Exists("file"));
  CHECK_FAILS(open("file", O_RDONLY), ENOENT);
  CheckSame(ReadAt(fd, kSize + 1, 0), text, "without a name");
  // A new one by that name is another file.
  Put("file", "another");
  CheckSame(Contents("file"), "another", "the new file");
  WriteAt(fd, "held", 0);
  CheckSame(Contents("file"), "another", "the new file");
  CHECK_OK(ftruncate(fd, kSize / 2));
  CHECK_OK(fsync(fd));
  CHECK_OK(fchmod(fd, 0600));
  CHECK_EQ(StatOf(fd).st_size, kSize / 2);
  {
    Mapping mapping(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    CHECK(Same(mapping.data(), "held", 4));
    memcpy(mapping.data(), "HELD", 4);
  }
  CheckSame(ReadAt(fd, 4, 0), "HELD", "mapped");
  // Opened anew from the descriptor.
  {
    const Fd again = Open("/proc/self/fd/" + std::to_string(fd), O_RDWR);
    WarmUp(again);
    CheckSame(ReadAt(again, 4, 0), "HELD", "opened anew");
    CHECK_EQ(StatOf(again).st_ino, StatOf(fd).st_ino);
  }
  // A child holds it alone.
  Turn start;
  const pid_t child = Fork([&] {
    start.Take();
    CheckSame(ReadAt(fd, 4, 0), "HELD", "in a child");
    WriteAt(fd, "kid", 0);
    CheckSame(ReadAt(fd, 4, 0), "kidD", "in a child");
  });
  fd.Reset();
  start.Give();
  Join(child);

  // Its room comes back at the last close.
  Fd large = Create("large");
  for (size_t i = 0; i < 8; i++) WriteAt(large, text, i * kSize);
  CHECK_OK(fsync(large));
  struct statfs before, after;
  CHECK_OK(unlink("large"));
  CHECK_OK(fstatfs(large, &before));
  large.Reset();
  bool freed = false;
  for (const int64_t end = Milliseconds() + kSoon; !freed && Milliseconds() < end; Sleep(10)) {
    CHECK_OK(statfs(".", &after));
    freed = after.f_bfree * after.f_bsize >= before.f_bfree * before.f_bsize + 6 * kSize;
  }
  CHECK(freed);

  // Many at once, as databases keep them.
  std::vector<Fd> many;
  for (int i = 0; i < 100; i++) {
    many.push_back(Create("temporary"));
    Write(many.back(), std::to_string(i));
    CHECK_OK(unlink("temporary"));
  }
  for (int i = 0; i < 100; i++) CheckSame(ReadAt(many[i], 10, 0), std::to_string(i), "one of many");
  // Replaced by rename while open.
  Put("new", "new");
  const Fd old = Open("file", O_RDWR);
  CHECK_OK(rename("new", "file"));
  CHECK_EQ(StatOf(old).st_nlink, 0);
  CheckSame(ReadAt(old, 10, 0), "another", "replaced");
  return 0;
}
