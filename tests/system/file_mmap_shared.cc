// SPDX-License-Identifier: Apache-2.0
// Shared mappings are one with read and write of every process, in both directions, with
// truncation, and msync; behind the end is SIGBUS.
// tier: fast
// boot: shared
// variants: trap shim local
#include <setjmp.h>

#include "files.h"

using namespace vos::testing;

static sigjmp_buf after_fault;

static bool Faults(volatile char* address) {
  if (sigsetjmp(after_fault, 1)) return true;
  *address;
  return false;
}

int main() {
  Directory directory;
  const Fd fd = Create("file");
  CHECK_OK(ftruncate(fd, 8 * 4096));
  Turn there, back;
  // One maps, the other reads and writes by calls, on the fast path before the mapping came.
  const pid_t child = Fork([&] {
    const Fd own = Open("file", O_RDWR);
    WarmUp(own);
    back.Give();
    for (int i = 0; i < 30; i++) {
      there.Take();
      const std::string mapped(100, char('a' + i % 26)), written(100, char('A' + i % 26));
      CheckSame(ReadAt(own, 100, 4096 * (i % 8) + 50), mapped, "what was stored into the mapping");
      WriteAt(own, written, 4096 * (i % 8) + 300);
      CHECK_EQ(lseek(own, 4096 * (i % 8) + 500, SEEK_SET), 4096 * (i % 8) + 500);
      Write(own, written);
      back.Give();
    }
  });
  back.Take();
  {
    Mapping mapping(fd, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    for (int i = 0; i < 30; i++) {
      char* page = mapping.data() + 4096 * (i % 8);
      memset(page + 50, 'a' + i % 26, 100);
      there.Give();
      back.Take();
      const std::string written(100, char('A' + i % 26));
      CheckSame(std::string(page + 300, 100), written, "what pwrite wrote, in the mapping");
      CheckSame(std::string(page + 500, 100), written, "what write wrote, in the mapping");
      CheckSame(ReadAt(fd, 100, page - mapping.data() + 50), std::string(100, char('a' + i % 26)),
                "the mapping by read");
    }
    Join(child);

    // Two processes map it: one memory.
    auto* word = reinterpret_cast<std::atomic<int>*>(mapping.data());
    *word = 0;
    const pid_t mapper = Fork([&] {
      const Fd own = Open("file", O_RDWR);
      Mapping other(own, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
      auto* same = reinterpret_cast<std::atomic<int>*>(other.data());
      for (int i = 0; i < 1000; i++) ++*same;
    });
    for (int i = 0; i < 1000; i++) ++*word;
    Join(mapper);
    CHECK_EQ(*word, 2000);

    CHECK_OK(msync(mapping.data(), 8 * 4096, MS_SYNC));
    CHECK_OK(msync(mapping.data(), 4096, MS_ASYNC));
    int count;
    CHECK_EQ(pread(fd, &count, sizeof(count), 0), ssize_t(sizeof(count)));
    CHECK_EQ(count, 2000);
    CHECK_FAILS(msync(mapping.data() + 1, 4096, MS_SYNC), EINVAL);

    // Cut by somebody else: what is behind the end faults, and comes back as zeros.
    struct sigaction action = {};
    action.sa_handler = [](int) { siglongjmp(after_fault, 1); };
    CHECK_OK(sigaction(SIGBUS, &action, nullptr));
    memset(mapping.data() + 2 * 4096, 'z', 4096);
    Join(Fork([] { CHECK_OK(truncate("file", 4096 + 10)); }));
    CHECK(!Faults(mapping.data() + 4096));
    CHECK_EQ(mapping.data()[4096 + 10], 0);
    CHECK(Faults(mapping.data() + 2 * 4096));
    Join(Fork([] { CHECK_OK(truncate("file", 8 * 4096)); }));
    CHECK(!Faults(mapping.data() + 2 * 4096));
    CHECK_EQ(mapping.data()[2 * 4096], 0);
    // Grown by a write at a position behind.
    CHECK_OK(ftruncate(fd, 4096));
    WriteAt(fd, "behind", 5 * 4096);
    CHECK(Same(mapping.data() + 5 * 4096, "behind", 6));
    CHECK_EQ(mapping.data()[3 * 4096], 0);
    // A punched hole is seen.
    mapping.data()[4096] = 'h';
    CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096));
    CHECK_EQ(mapping.data()[4096], 0);
    // Stored last, and left to the unmapping.
    memcpy(mapping.data() + 7, "last", 4);
  }
  CheckSame(ReadAt(fd, 4, 7), "last", "after munmap");
  Join(Fork([] { CheckSame(Contents("file").substr(7, 4), "last", "in another process"); }));

  // Mapped memory as the buffer of calls on the same file.
  {
    CHECK_OK(ftruncate(fd, 2 * 4096));
    Mapping mapping(fd, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    memset(mapping.data(), 's', 4096);
    CHECK_EQ(pwrite(fd, mapping.data(), 4096, 4096), 4096);
    CHECK_EQ(mapping.data()[2 * 4096 - 1], 's');
    CHECK_EQ(pread(fd, mapping.data(), 4096, 4096), 4096);
    CHECK_EQ(mapping.data()[0], 's');
  }
  // And the fast path is right afterwards.
  WarmUp(fd);
  WriteAt(fd, "fast", 0);
  CheckSame(Contents("file").substr(0, 4), "fast", "afterwards");
  return 0;
}
