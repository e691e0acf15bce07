// SPDX-License-Identifier: Apache-2.0
// Files beyond 4 GiB: positions, sizes, holes, mappings, locks and seeks there, up to the largest.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const Fd fd = Create("file");
  WarmUp(fd);
  constexpr off_t k4GiB = 1ll << 32;
  // Each position's low 32 bits are another one's.
  for (const off_t position : {off_t{0}, k4GiB - 3, k4GiB + 4096, 2 * k4GiB + 4096, 300 * k4GiB})
    WriteAt(fd, "at " + std::to_string(position), position);
  for (const off_t position : {off_t{0}, k4GiB - 3, k4GiB + 4096, 2 * k4GiB + 4096, 300 * k4GiB}) {
    const std::string text = "at " + std::to_string(position);
    CheckSame(ReadAt(fd, text.size(), position), text, "by pread");
    CHECK_EQ(lseek(fd, position, SEEK_SET), position);
    std::string other(text.size(), '\0');
    CHECK_EQ(read(fd, other.data(), other.size()), text.size());
    CheckSame(other, text, "by read");
  }
  CheckSame(ReadAt(fd, 10, 4096), std::string(10, '\0'), "4096 is not 4096 + 4 GiB");
  const off_t size = 300 * k4GiB + 16;
  CHECK_EQ(StatOf(fd).st_size, size);
  CHECK_EQ(lseek(fd, 0, SEEK_END), size);
  CHECK_EQ(lseek(fd, -16, SEEK_END), size - 16);
  Write(fd, "AT");
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), size - 14);
  CHECK(StatOf(fd).st_blocks * 512 < 1 << 20);
  const off_t data = CHECK_OK(lseek(fd, 3 * k4GiB, SEEK_DATA));
  CHECK(data > 299 * k4GiB && data <= 300 * k4GiB);
  {
    Mapping mapping(fd, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, k4GiB + 4096);
    CHECK(Same(mapping.data(), "at 42949", 8));
    memcpy(mapping.data(), "AT", 2);
    CheckSame(ReadAt(fd, 8, k4GiB + 4096), "AT 42949", "mapped");
  }
  CHECK_OK(ftruncate(fd, k4GiB + 4098));
  CHECK_EQ(StatOf("file").st_size, k4GiB + 4098);
  CheckSame(ReadAt(fd, 10, k4GiB + 4096), "AT", "cut");
  CHECK_OK(ftruncate(fd, 5 * k4GiB));
  CheckSame(ReadAt(fd, 10, 2 * k4GiB + 4096), std::string(10, '\0'), "cut and grown");
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_start = 4 * k4GiB;
  range.l_len = 10;
  CHECK_OK(fcntl(fd, F_SETLK, &range));
  Join(Fork([] {
    const Fd own = Open("file", O_RDWR);
    struct flock other = {};
    other.l_type = F_WRLCK;
    CHECK_OK(fcntl(own, F_GETLK, &other));
    CHECK_EQ(other.l_start, 4 * k4GiB);
  }));
  if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 6 * k4GiB, 1 << 20) == 0) {
    CHECK(StatOf(fd).st_blocks * 512 >= 1 << 20);
    CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 6 * k4GiB, 1 << 20));
  }

  // The ends of what a position can be.
  char byte = 'x';
  CHECK_FAILS(pwrite(fd, &byte, 1, -1), EINVAL);
  CHECK_FAILS(pread(fd, &byte, 1, -1), EINVAL);
  CHECK_FAILS(pread(fd, &byte, 1, INT64_MIN), EINVAL);
  const ssize_t beyond = pread(fd, &byte, 1, INT64_MAX - 1);
  if (beyond < 0) CHECK(errno == EINVAL || errno == EOVERFLOW);
  CHECK(beyond <= 0);
  CHECK_FAILS(ftruncate(fd, -1), EINVAL);
  CHECK_FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
  CHECK_FAILS(lseek(fd, 0, 17), EINVAL);
  if (!MayLack()) {
    CHECK_FAILS(pwrite(fd, &byte, 1, INT64_MAX - 1), EFBIG);
    // ext4 with blocks of 4 KiB: 16 TiB.
    constexpr off_t kMost = (1ll << 44) - 4096;
    CHECK_FAILS(ftruncate(fd, 1ll << 45), EFBIG);
    CHECK_OK(ftruncate(fd, kMost));
    WriteAt(fd, "last", kMost - 4);
    CheckSame(ReadAt(fd, 10, kMost - 4), "last", "the last block");
    CHECK_FAILS(pwrite(fd, &byte, 1, 1ll << 45), EFBIG);
    CHECK_EQ(StatOf(fd).st_size, kMost);
  }
  return 0;
}
