// SPDX-License-Identifier: Apache-2.0
// Sparse files: what was never written reads as zeros and takes no room; SEEK_HOLE and SEEK_DATA
// find it; positions beyond the end, cut off and grown again, hold nothing old.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

constexpr off_t kMiB = 1 << 20;

int main() {
  Directory directory;
  const Fd fd = Create("file");
  WarmUp(fd);
  WriteAt(fd, std::string(4096, 'a'), 0);
  WriteAt(fd, std::string(4096, 'b'), kMiB);
  CHECK_OK(ftruncate(fd, 3 * kMiB));
  CHECK_OK(fsync(fd));
  CHECK_EQ(StatOf(fd).st_size, 3 * kMiB);
  CHECK(StatOf(fd).st_blocks * 512 <= 256 * 1024);
  CheckSame(ReadAt(fd, 8192, 4096), std::string(8192, '\0'), "a hole");
  CheckSame(ReadAt(fd, 8192, 2 * kMiB), std::string(8192, '\0'), "a hole at the end");
  CheckSame(ReadAt(fd, 4097, kMiB - 1), '\0' + std::string(4096, 'b'), "beside a hole");

  CHECK_EQ(lseek(fd, 0, SEEK_DATA), 0);
  const off_t hole = CHECK_OK(lseek(fd, 0, SEEK_HOLE));
  CHECK(hole >= 4096 && hole <= kMiB);
  const off_t data = CHECK_OK(lseek(fd, hole, SEEK_DATA));
  CHECK(data > kMiB - 65536 && data <= kMiB);
  CHECK_EQ(lseek(fd, kMiB + 5, SEEK_DATA), kMiB + 5);
  const off_t last = CHECK_OK(lseek(fd, kMiB, SEEK_HOLE));
  CHECK(last >= kMiB + 4096 && last <= 3 * kMiB);
  CHECK_EQ(lseek(fd, 2 * kMiB, SEEK_HOLE), 2 * kMiB);
  CHECK_FAILS(lseek(fd, 2 * kMiB, SEEK_DATA), ENXIO);
  CHECK_FAILS(lseek(fd, 3 * kMiB, SEEK_HOLE), ENXIO);
  CHECK_FAILS(lseek(fd, -1, SEEK_DATA), ENXIO);
  // The search moved the position, a failed one did not.
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * kMiB);
  CHECK_EQ(lseek(fd, 0, SEEK_END), 3 * kMiB);

  // Dirty data that has no block yet is data.
  const Fd fresh = Create("fresh");
  CHECK_OK(ftruncate(fresh, kMiB));
  WriteAt(fresh, "new", 500'000);
  const off_t found = CHECK_OK(lseek(fresh, 0, SEEK_DATA));
  CHECK(found <= 500'000 && found > 400'000);

  // Cut within a block and grown: zeros behind the cut.
  const Fd cut = Create("cut");
  WriteAt(cut, std::string(10'000, 'c'), 0);
  CHECK_OK(ftruncate(cut, 5'000));
  CHECK_OK(ftruncate(cut, 20'000));
  CheckSame(ReadAt(cut, 30'000, 0), std::string(5'000, 'c') + std::string(15'000, '\0'), "cut");
  CHECK_OK(ftruncate(cut, 100));
  WriteAt(cut, "end", 12'000);
  CheckSame(ReadAt(cut, 30'000, 0), std::string(100, 'c') + std::string(11'900, '\0') + "end",
            "written behind a cut");
  // A read reaches to the end and no further.
  char buffer[64];
  CHECK_EQ(pread(cut, buffer, sizeof(buffer), 12'000), 3);
  CHECK_EQ(pread(cut, buffer, sizeof(buffer), 12'003), 0);
  CHECK_EQ(pread(cut, buffer, sizeof(buffer), 1'000'000'000), 0);
  return 0;
}
