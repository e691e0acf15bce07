// SPDX-License-Identifier: Apache-2.0
// Private mappings: what the file held, what others write until the page is one's own, and nothing
// of one's own in the file.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const std::string text = Text(5 * 4096 + 100, 8);
  Put("file", text);
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  {
    Mapping mapping(fd, text.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(Same(mapping.data(), text.data(), text.size()));
    // Behind the end of the file, to the end of the page: zeros.
    for (size_t i = text.size(); i < 6 * 4096; i++) CHECK_EQ(mapping.data()[i], 0);
    // Not touched yet: what the file holds now.
    WriteAt(fd, "fresh", 4096);
    CHECK(Same(mapping.data() + 4096, "fresh", 5));
    memcpy(mapping.data() + 4096, "mine!", 5);
    WriteAt(fd, "other", 4096);
    CHECK(Same(mapping.data() + 4096, "mine!", 5));
    memset(mapping.data(), 'p', 4096);
    CHECK_OK(msync(mapping.data(), 4096, MS_SYNC));
    CheckSame(ReadAt(fd, 4096, 0), text.substr(0, 4096), "the file under a private mapping");
  }
  // Of a read-only description, and at an offset.
  const Fd reader = Open("file", O_RDONLY);
  {
    Mapping mapping(reader, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, 8192);
    CHECK(Same(mapping.data(), text.data() + 8192, 4096));
    mapping.data()[0]++;
    CHECK_EQ(ReadAt(fd, 1, 8192)[0], text[8192]);
  }
  CHECK(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED);
  CHECK_EQ(errno, EACCES);
  const Fd writer = Open("file", O_WRONLY);
  CHECK(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, writer, 0) == MAP_FAILED);
  CHECK_EQ(errno, EACCES);
  CHECK(mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, reader, 100) == MAP_FAILED);
  CHECK_EQ(errno, EINVAL);

  // It outlives descriptor, name and process' copy.
  {
    Fd short_lived = Open("file", O_RDONLY);
    Mapping mapping(short_lived, text.size(), PROT_READ, MAP_PRIVATE);
    short_lived.Reset();
    CHECK_OK(unlink("file"));
    CHECK(Same(mapping.data() + 8192, text.data() + 8192, 4096));
    Join(Fork([&] { CHECK(Same(mapping.data() + 8192, text.data() + 8192, 4096)); }));
  }
  CheckSame(ReadAt(fd, 10, 8192), text.substr(8192, 10), "after the mapping");

  // The positioned calls go on working after the mapping is gone.
  for (int i = 0; i < 300; i++) {
    WriteAt(fd, &i, sizeof(i), 100);
    int seen;
    CHECK_EQ(pread(fd, &seen, sizeof(seen), 100), ssize_t(sizeof(seen)));
    CHECK_EQ(seen, i);
  }
  return 0;
}
