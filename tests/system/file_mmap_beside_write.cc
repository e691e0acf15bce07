// SPDX-License-Identifier: Apache-2.0
// One process writes some bytes of a page while another one stores to others through a shared mapping: neither undoes what
// the other did. The same with copy_file_range, or a hole, instead of a write.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include "files.h"

using namespace vos::testing;

namespace {

constexpr int kPages = 4, kRounds = 1500, kPart = 512;
constexpr off_t kPage = 4096;

// The mapped part of a page is its first quarter, the written one is in its third.
constexpr off_t kWritten = 2048;

}  // namespace

int main() {
  Directory directory;
  const Fd fd = Create("file");
  CHECK_OK(ftruncate(fd, kPages * kPage));
  const Fd source = Create("source");
  WriteAt(source, std::string(26 * kPart, 's'), 0);
  for (int i = 0; i < 26; i++) WriteAt(source, std::string(kPart, char('a' + i)), i * kPart);
  struct Shared {
    std::atomic<bool> done;
    std::atomic<int> stores;
  };
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(shared != MAP_FAILED);

  const pid_t mapper = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    Mapping mapping(own, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED);
    for (int i = 0; !shared->done; i++) {
      char* part = mapping.data() + kPage * (i % kPages);
      memset(part, 'A' + i % 26, kPart);
      shared->stores++;
      if (i % 3 == 0) CHECK_OK(msync(mapping.data(), kPages * kPage, MS_SYNC));
      CheckSame(std::string(part, kPart), std::string(kPart, char('A' + i % 26)),
                "what was stored");
    }
  });

  std::string expected[kPages];
  for (std::string& one : expected) one.assign(kPart, 0);
  for (int i = 0; i < kRounds; i++) {
    const int page = i % kPages;
    const off_t at = page * kPage + kWritten;
    expected[page].assign(kPart, char('a' + i % 26));
    if (i % 3 == 2) {
      loff_t from = i % 26 * kPart, to = at;
      CHECK_EQ(copy_file_range(source, &from, fd, &to, kPart, 0), kPart);
    } else {
      WriteAt(fd, expected[page], at);
    }
    if (i % 2) {
      // Once the mapping has what was written, in each page.
      const int64_t end = Milliseconds() + kSoon;
      for (const int begin = shared->stores; shared->stores < begin + kPages; sched_yield())
        CHECK(Milliseconds() < end);
      expected[page].assign(kPart, 0);
      CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, kPart));
    }
    for (int other = 0; other < kPages; other++) {
      CheckSame(ReadAt(fd, kPart, other * kPage + kWritten), expected[other], "what was written");
    }
  }
  shared->done = true;
  Join(mapper);
  return 0;
}
