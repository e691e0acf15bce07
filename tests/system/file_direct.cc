// SPDX-License-Identifier: Apache-2.0
// O_DIRECT: aligned transfers, coherent with those through the cache, on and off by F_SETFL; what
// is not aligned is refused or right, never wrong.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  constexpr size_t kSize = 65536;
  const std::string first = Text(kSize, 1), second = Text(kSize, 2);
  void* memory = nullptr;
  CHECK_EQ(posix_memalign(&memory, 4096, kSize + 4096), 0);
  char* buffer = static_cast<char*>(memory);
  const Fd cached = Create("file");
  const int fd = open("file", O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd < 0) {
    CHECK(errno == EINVAL && MayLack());
    SKIP("this file system has no O_DIRECT");
  }
  const Fd direct(fd);
  CHECK_EQ(fcntl(direct, F_GETFL) & O_DIRECT, O_DIRECT);

  memcpy(buffer, first.data(), kSize);
  WriteAt(direct, buffer, kSize, 0);
  CheckSame(ReadAt(cached, kSize, 0), first, "written around the cache");
  WriteAt(cached, second.data(), kSize, 0);
  memset(buffer, 0, kSize);
  CHECK_EQ(pread(direct, buffer, kSize, 0), kSize);
  CHECK(Same(buffer, second.data(), kSize));

  // Sequentially, and over the end.
  CHECK_EQ(lseek(direct, kSize - 4096, SEEK_SET), kSize - 4096);
  CHECK_EQ(read(direct, buffer, 8192), 4096);
  CHECK(Same(buffer, second.data() + kSize - 4096, 4096));
  CHECK_EQ(read(direct, buffer, 8192), 0);
  memcpy(buffer, first.data(), 8192);
  CHECK_EQ(write(direct, buffer, 8192), 8192);
  CHECK_EQ(StatOf(cached).st_size, kSize + 8192);
  CheckSame(ReadAt(cached, 8192, kSize), first.substr(0, 8192), "written behind the end");

  // A file whose end is not aligned.
  WriteAt(cached, "tail", kSize + 8192);
  CHECK_EQ(pread(direct, buffer, 4096, kSize + 8192), 4);
  CHECK(Same(buffer, "tail", 4));

  // Not aligned: memory, size, position.
  for (int kind = 0; kind < 3; kind++) {
    const size_t size = kind == 0 ? 100 : 4096;
    char* to = buffer + (kind == 1 ? 1 : 0);
    const off_t position = kind == 2 ? 3 : 0;
    const ssize_t got = pread(direct, to, size, position);
    if (got < 0)
      CHECK_EQ(errno, EINVAL);
    else
      CHECK(got == ssize_t(size) && Same(to, second.data() + position, size));
  }

  // The flag may come and go.
  CHECK_OK(fcntl(direct, F_SETFL, 0));
  WriteAt(direct, "odd", 5);
  CheckSame(ReadAt(cached, 3, 5), "odd", "without the flag");
  CHECK_OK(fcntl(direct, F_SETFL, O_DIRECT));
  CHECK_EQ(pread(direct, buffer, 4096, 0), 4096);
  CHECK(Same(buffer + 5, "odd", 3));

  // Two processes, one around the cache: each sees at once what the other wrote.
  Turn there, back;
  const pid_t child = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    WarmUp(own);
    for (int i = 0; i < 20; i++) {
      there.Take();
      CheckSame(ReadAt(own, 4096, 8192), std::string(4096, char('a' + i)),
                "from the direct writer");
      WriteAt(own, std::string(4096, char('A' + i)), 8192);
      back.Give();
    }
  });
  for (int i = 0; i < 20; i++) {
    memset(buffer, 'a' + i, 4096);
    WriteAt(direct, buffer, 4096, 8192);
    there.Give();
    back.Take();
    CHECK_EQ(pread(direct, buffer, 4096, 8192), 4096);
    CHECK(std::string(buffer, 4096) == std::string(4096, char('A' + i)));
  }
  Join(child);
  return 0;
}
