// SPDX-License-Identifier: Apache-2.0
// One write is one operation: what several processes write to one place, by calls of any kind and
// size up to 1 MiB, is never a mixture of two.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 30
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  {
    const Fd fd = Create("file");
  }
  for (const size_t size : {size_t{3'000}, size_t{65'536}, size_t{200'001}, size_t{1'048'576}}) {
    // Every writer ends with a whole block of its own; in the end one of them was the last.
    for (int round = 0; round < 4; round++) {
      pid_t children[3];
      Turn start;
      for (int c = 0; c < 3; c++)
        children[c] = Fork([&] {
          const Fd fd = Open("file", O_RDWR);
          WarmUp(fd);
          std::string block(size, char('a' + c));
          start.Take();
          for (int i = 0; i < 3; i++) {
            if ((c + round + i) % 2 == 0) {
              WriteAt(fd, block, 1'000);
            } else {
              CHECK_EQ(lseek(fd, 1'000, SEEK_SET), 1'000);
              // In pieces of one call.
              iovec pieces[] = {{block.data(), size / 3},
                                {block.data() + size / 3, size - size / 3}};
              CHECK_EQ(writev(fd, pieces, 2), size);
            }
          }
        });
      for (int c = 0; c < 3; c++) start.Give();
      for (pid_t child : children) Join(child);
      const Fd fd = Open("file", O_RDONLY);
      const std::string result = ReadAt(fd, size, 1'000);
      CheckSame(result, std::string(size, result[0]), "a mixture of writes");
    }
  }

  // A writer behind the end: nobody sees a size with anything but its data below.
  const Fd fd = Open("file", O_RDWR);
  CHECK_OK(ftruncate(fd, 0));
  const pid_t child = Fork([] {
    const Fd own = Open("file", O_RDWR);
    WarmUp(own);
    for (int i = 0; i < 100; i++) WriteAt(own, std::string(1'000, char('A' + i % 26)), i * 1'000);
  });
  for (off_t size = 0; size < 100'000;) {
    size = StatOf(fd).st_size;
    // Linux may show the size in between two pages of one write.
    const off_t record = size / 1'000 - 1;
    if (record < 0) continue;
    const std::string last = ReadAt(fd, 1'000, record * 1'000);
    CheckSame(last, std::string(1'000, char('A' + record % 26)), "the last record");
  }
  Join(child);
  return 0;
}
