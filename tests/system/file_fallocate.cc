// SPDX-License-Identifier: Apache-2.0
// The modes of fallocate: room, room behind the end, holes punched, ranges zeroed, collapsed and
// inserted; what each refuses; data beside them unharmed.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

constexpr size_t kBlock = 4096;

static std::string Blocks(const char* letters) {
  std::string text;
  for (const char* letter = letters; *letter; letter++)
    text += std::string(kBlock, *letter == '0' ? '\0' : *letter);
  return text;
}

// False if the file system, not being one that must, does not know it.
static bool Allocate(int fd, int mode, off_t offset, off_t size) {
  if (fallocate(fd, mode, offset, size) == 0) return true;
  if (errno != EOPNOTSUPP || !MayLack()) FAIL("fallocate, mode %#x", mode);
  return false;
}

int main() {
  Directory directory;
  const Fd fd = Create("file");
  WarmUp(fd);
  CHECK(Allocate(fd, 0, 0, 8 * kBlock));
  CHECK_EQ(StatOf(fd).st_size, 8 * kBlock);
  CHECK(StatOf(fd).st_blocks * 512 >= off_t(8 * kBlock));
  CheckSame(ReadAt(fd, 8 * kBlock, 0), Blocks("00000000"), "allocated");
  WriteAt(fd, Blocks("abcdefgh"), 0);
  // Over what is there: nothing changes.
  CHECK(Allocate(fd, 0, kBlock, 2 * kBlock));
  CheckSame(ReadAt(fd, 9 * kBlock, 0), Blocks("abcdefgh"), "allocated over data");
  // Behind the end, with and without growing.
  CHECK(Allocate(fd, FALLOC_FL_KEEP_SIZE, 8 * kBlock, 8 * kBlock));
  CHECK_EQ(StatOf(fd).st_size, 8 * kBlock);
  CHECK(Allocate(fd, 0, 8 * kBlock, 100));
  CHECK_EQ(StatOf(fd).st_size, 8 * kBlock + 100);
  CHECK_OK(ftruncate(fd, 8 * kBlock));

  // Not aligned: the edges stay.
  CHECK(Allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kBlock + 10, 2 * kBlock));
  std::string expected = Blocks("abcdefgh");
  memset(expected.data() + kBlock + 10, 0, 2 * kBlock);
  CheckSame(ReadAt(fd, 9 * kBlock, 0), expected, "punched");
  const off_t hole = CHECK_OK(lseek(fd, 0, SEEK_HOLE));
  if (!MayLack()) CHECK_EQ(hole, 2 * kBlock);
  CHECK_FAILS(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, kBlock), EOPNOTSUPP);

  if (Allocate(fd, FALLOC_FL_ZERO_RANGE, 4 * kBlock + 100, kBlock)) {
    memset(expected.data() + 4 * kBlock + 100, 0, kBlock);
    CheckSame(ReadAt(fd, 9 * kBlock, 0), expected, "zeroed");
    CHECK(Allocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 8 * kBlock, kBlock));
    CHECK_EQ(StatOf(fd).st_size, 8 * kBlock);
    CHECK(Allocate(fd, FALLOC_FL_ZERO_RANGE, 7 * kBlock, 2 * kBlock));
    CHECK_EQ(StatOf(fd).st_size, 9 * kBlock);
    CheckSame(ReadAt(fd, 2 * kBlock, 7 * kBlock), Blocks("00"), "zeroed and grown");
    CHECK_OK(ftruncate(fd, 0));
  }

  CHECK_OK(ftruncate(fd, 0));
  WriteAt(fd, Blocks("abcdefgh"), 0);
  if (Allocate(fd, FALLOC_FL_COLLAPSE_RANGE, kBlock, 2 * kBlock)) {
    CHECK_EQ(StatOf(fd).st_size, 6 * kBlock);
    CheckSame(ReadAt(fd, 9 * kBlock, 0), Blocks("adefgh"), "collapsed");
    CHECK_FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 100, kBlock), EINVAL);
    CHECK_FAILS(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 5 * kBlock, kBlock), EINVAL);
    CHECK(Allocate(fd, FALLOC_FL_INSERT_RANGE, kBlock, kBlock));
    CHECK_EQ(StatOf(fd).st_size, 7 * kBlock);
    CheckSame(ReadAt(fd, 9 * kBlock, 0), Blocks("a0defgh"), "inserted");
    CHECK_FAILS(fallocate(fd, FALLOC_FL_INSERT_RANGE, 7 * kBlock, kBlock), EINVAL);
    CHECK_FAILS(fallocate(fd, FALLOC_FL_INSERT_RANGE, 1, kBlock), EINVAL);
    // A mapping follows.
    Mapping mapping(fd, 8 * kBlock, PROT_READ, MAP_SHARED);
    CHECK_EQ(mapping.data()[2 * kBlock], 'd');
    CHECK(Allocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, kBlock));
    CHECK_EQ(mapping.data()[2 * kBlock], 'e');
  }

  CHECK_FAILS(fallocate(fd, 0, -1, 10), EINVAL);
  CHECK_FAILS(fallocate(fd, 0, 0, 0), EINVAL);
  CHECK_FAILS(fallocate(fd, 0, INT64_MAX - 10, 100), EFBIG);
  CHECK_FAILS(fallocate(fd, 1 << 20, 0, 10), EOPNOTSUPP);
  const Fd reader = Open("file", O_RDONLY);
  CHECK_FAILS(fallocate(reader, 0, 0, kBlock), EBADF);
  CHECK_EQ(posix_fallocate(fd, 20 * kBlock, kBlock), 0);
  CHECK_EQ(StatOf(fd).st_size, 21 * kBlock);
  return 0;
}
