// SPDX-License-Identifier: Apache-2.0
// Size and times of a file that user lanes may change are asked for again when they did, and only
// then; also if the one that changed it has closed it, and whichever of many descriptors it was.
// tier: fast
// boot: shared
// variants: shim
#include <fstream>

#include "files.h"
#include "shim_counters.h"

using namespace vos::testing;

namespace {

constexpr int kQuestions = 200;
// Of others, on the same file system.
constexpr long kOtherCalls = 20;

long KernelCalls() {
  std::ifstream stats("/sys/kernel/debug/virtuos/stats");
  long value;
  for (std::string word; stats >> word >> value;)
    if (word == "storage.kernel_calls") return value;
  FAIL("there is no such counter");
}

}  // namespace

int main() {
  Directory directory;
  Put("file", std::string(1000, 's'));
  const Fd fd = Open("file", O_RDWR), other = Open("file", O_RDWR);
  WarmUp(fd);
  WarmUp(other);
  CheckFastSince(0);
  CHECK_EQ(StatOf(fd).st_size, 1000);

  long before = KernelCalls();
  char byte;
  for (int i = 0; i < kQuestions; i++) {
    CHECK_EQ(lseek(fd, 0, SEEK_END), 1000);
    CHECK_EQ(StatOf(other).st_size, 1000);
    CHECK_EQ(StatOf("file").st_size, 1000);
    CHECK_EQ(pread(fd, &byte, 1, i), 1);
  }
  long calls = KernelCalls() - before;
  printf("%d times without a change: %ld calls\n", kQuestions, calls);
  CHECK(calls <= kOtherCalls);

  off_t size = 1000;
  const uint64_t fast = FastFileCalls();
  before = KernelCalls();
  for (int i = 0; i < kQuestions; i++) {
    WriteAt(i % 2 ? fd : other, "more", size);
    size += 4;
    CHECK_EQ(lseek(i % 3 ? fd : other, 0, SEEK_END), size);
    CHECK_EQ(StatOf("file").st_size, size);
  }
  CheckFastSince(fast);
  calls = KernelCalls() - before;
  printf("%d times with one: %ld calls\n", kQuestions, calls);

  // More descriptors than are looked at one by one; some are closed with the last change.
  for (int i = 0; i < 100; i++) {
    std::vector<Fd> many;
    for (int n = 0; n < (i ? 3 : 100); n++) {
      many.push_back(Open("file", O_RDWR));
      CHECK_OK(pread(many.back(), &byte, 1, 0));
    }
    WriteAt(many.front(), "x", size++);
    CHECK_EQ(StatOf(fd).st_size, size);
    WriteAt(many.back(), "y", size++);
    if (i % 2) many.clear();
    CHECK_EQ(StatOf("file").st_size, size);
    CHECK_EQ(lseek(fd, 0, SEEK_END), size);
  }
  return 0;
}
