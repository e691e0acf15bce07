// SPDX-License-Identifier: Apache-2.0
// copy_file_range, sendfile and splice between files: every byte, positions, ends, what is
// refused.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/sendfile.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  constexpr size_t kSize = 3'000'001;
  const std::string text = Text(kSize, 6);
  const Fd from = Create("from"), to = Create("to");
  Write(from, text);

  // All of it, in as many pieces as it takes.
  loff_t in = 0, out = 0;
  while (in < loff_t(kSize)) CHECK(CHECK_OK(copy_file_range(from, &in, to, &out, kSize, 0)) > 0);
  CHECK_EQ(out, kSize);
  CHECK_EQ(copy_file_range(from, &in, to, &out, kSize, 0), 0);
  CheckSame(Contents("to"), text, "a copy");
  CHECK_EQ(StatOf("to").st_size, kSize);

  // With the descriptions' own positions, and over the end.
  CHECK_EQ(lseek(from, kSize - 5000, SEEK_SET), kSize - 5000);
  CHECK_EQ(lseek(to, 100, SEEK_SET), 100);
  CHECK_EQ(copy_file_range(from, nullptr, to, nullptr, 10'000, 0), 5000);
  CHECK_EQ(lseek(from, 0, SEEK_CUR), kSize);
  CHECK_EQ(lseek(to, 0, SEEK_CUR), 5100);
  CheckSame(ReadAt(to, 5000, 100), text.substr(kSize - 5000), "by positions");

  // Within one file, apart and overlapping.
  in = 0, out = 10'000;
  CHECK_EQ(copy_file_range(from, &in, from, &out, 5'000, 0), 5'000);
  CheckSame(ReadAt(from, 5'000, 10'000), text.substr(0, 5'000), "within a file");
  in = 0, out = 100;
  CHECK_FAILS(copy_file_range(from, &in, from, &out, 5'000, 0), EINVAL);
  // Behind the end of the target: a hole between.
  in = 0, out = kSize + 10'000;
  CHECK_EQ(copy_file_range(from, &in, to, &out, 100, 0), 100);
  CHECK_EQ(StatOf(to).st_size, kSize + 10'100);
  CheckSame(ReadAt(to, 10, kSize + 5), std::string(10, '\0'), "the hole");

  const Fd reader = Open("to", O_RDONLY), appender = Open("to", O_WRONLY | O_APPEND);
  in = 0, out = 0;
  CHECK_FAILS(copy_file_range(from, &in, reader, &out, 10, 0), EBADF);
  CHECK_FAILS(copy_file_range(from, &in, appender, &out, 10, 0), EBADF);
  CHECK_FAILS(copy_file_range(from, &in, to, &out, 10, 1), EINVAL);
  const Fd itself = Open(".", O_RDONLY | O_DIRECTORY);
  CHECK_FAILS(copy_file_range(itself, nullptr, to, nullptr, 10, 0), EISDIR);

  // sendfile to a file, and from here to another file system and back.
  const Fd memory(CHECK_OK(memfd_create("memory", MFD_CLOEXEC)));
  off_t position = 1'000'000;
  while (position < off_t(kSize))
    CHECK(CHECK_OK(sendfile(memory, to, &position, kSize - position)) > 0);
  CheckSame(ReadAt(memory, kSize, 0), text.substr(1'000'000), "sendfile out");
  const Fd back = Create("back");
  position = 0;
  while (position < off_t(kSize) - 1'000'000)
    CHECK(CHECK_OK(sendfile(back, memory, &position, kSize - 1'000'000 - position)) > 0);
  CheckSame(Contents("back"), text.substr(1'000'000), "sendfile in");

  // Through a pipe, with offsets and without.
  int ends[2];
  CHECK_OK(pipe2(ends, O_CLOEXEC));
  const Fd pipe_read(ends[0]), pipe_write(ends[1]), spliced = Create("spliced");
  in = 1'500'000, out = 77;
  CHECK_EQ(splice(back, &in, pipe_write, nullptr, 20'000, 0), 20'000);
  CHECK_EQ(in, 1'520'000);
  CHECK_EQ(splice(pipe_read, nullptr, spliced, &out, 20'000, 0), 20'000);
  CheckSame(ReadAt(spliced, 20'000, 77), text.substr(2'500'000, 20'000), "splice");
  CHECK_EQ(lseek(back, 10, SEEK_SET), 10);
  CHECK_EQ(splice(back, nullptr, pipe_write, nullptr, 100, 0), 100);
  CHECK_EQ(lseek(back, 0, SEEK_CUR), 110);
  // What is in the pipe stays what it was.
  WriteAt(back, std::string(200, '!'), 0);
  CHECK_EQ(splice(pipe_read, nullptr, spliced, nullptr, 100, 0), 100);
  CHECK_EQ(lseek(spliced, 0, SEEK_CUR), 100);
  const std::string moved = ReadAt(spliced, 100, 0);
  if (InStorageDomain()) CheckSame(moved, text.substr(1'000'010, 100), "from the pipe");
  return 0;
}
