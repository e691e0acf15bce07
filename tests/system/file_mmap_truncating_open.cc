// SPDX-License-Identifier: Apache-2.0
// open() with O_TRUNC of a file whose shared mapping has just been stored to, while those pages are on their way to the
// disk: the file is empty afterwards and stays so.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include "files.h"

using namespace vos::testing;

namespace {

constexpr int kRounds = 400, kPages = 8;
constexpr size_t kPage = 4096;

}  // namespace

int main() {
  Directory directory;
  const Fd fd = Create("file");
  auto* done = static_cast<std::atomic<bool>*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(done != MAP_FAILED);
  // Has pages written all the time.
  const pid_t writer = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    while (!*done) CHECK_OK(sync_file_range(own, 0, 0, SYNC_FILE_RANGE_WRITE));
  });

  Mapping mapping(fd, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
  for (int i = 0; i < kRounds; i++) {
    CHECK_OK(ftruncate(fd, kPages * kPage));
    for (int page = 0; page < kPages; page++)
      memset(mapping.data() + page * kPage, 'a' + i % 26, kPage);
    const Fd emptied = Open("file", O_RDWR | O_TRUNC);
    for (const int one : {static_cast<int>(fd), static_cast<int>(emptied)}) {
      CHECK_EQ(StatOf(one).st_size, 0);
      char byte;
      CHECK_EQ(pread(one, &byte, 1, 0), 0);
    }
    if (i % 8 == 0) {
      Sleep(5);
      CHECK_EQ(StatOf("file").st_size, 0);
    }
  }
  *done = true;
  Join(writer);
  return 0;
}
