// SPDX-License-Identifier: Apache-2.0
// O_APPEND: every write goes to the end as one piece, whoever writes, at whatever position and by
// whatever call, and F_SETFL changes it at once.
// tier: fast
// boot: shared
// variants: trap shim local
#include <map>

#include "files.h"

using namespace vos::testing;

constexpr int kWriters = 4, kRecords = 60;
constexpr size_t kRecord = 100;

int main() {
  Directory directory;
  {
    const Fd fd = Open("file", O_RDWR | O_CREAT | O_APPEND);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
    Write(fd, "one");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    char byte;
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'n');
    Write(fd, "two");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    // Linux: also with a position.
    WriteAt(fd, "three", 0);
    CheckSame(Contents("file"), "onetwothree", "appended");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    WarmUp(fd);
    WriteAt(fd, "four", 0);
    CheckSame(Contents("file"), "onetwothreefour", "appended after a warm-up");

    CHECK_OK(fcntl(fd, F_SETFL, 0));
    WriteAt(fd, "ONE", 0);
    CheckSame(Contents("file"), "ONEtwothreefour", "no longer appended");
    CHECK_OK(fcntl(fd, F_SETFL, O_APPEND));
    WriteAt(fd, "five", 0);
    CheckSame(Contents("file"), "ONEtwothreefourfive", "appended again");
    iovec pieces[] = {{const_cast<char*>("six"), 3}, {const_cast<char*>("seven"), 5}};
    CHECK_EQ(pwritev(fd, pieces, 2, 1), 8);
    CheckSame(ReadAt(fd, 100, 19), "sixseven", "vector");
    // One call alone appends.
    const Fd plain = Open("file", O_RDWR);
    iovec piece{const_cast<char*>("eight"), 5};
    CHECK_EQ(pwritev2(plain, &piece, 1, 0, RWF_APPEND), 5);
    CheckSame(ReadAt(fd, 100, 27), "eight", "RWF_APPEND");
  }

  // Records of several processes, on descriptions of their own and on a shared one.
  const Fd shared = Open("log", O_RDWR | O_CREAT | O_APPEND);
  pid_t children[kWriters];
  for (int writer = 0; writer < kWriters; writer++)
    children[writer] = Fork([&] {
      const Fd own = Open("log", O_RDWR | O_APPEND);
      WarmUp(shared);
      for (int i = 0; i < kRecords; i++) {
        char record[kRecord + 1];
        snprintf(record, sizeof(record), "%d %06d %*s\n", writer, i, int(kRecord) - 10, "");
        const int fd = i % 2 ? int(shared) : int(own);
        if (i % 3 == 0)
          WriteAt(fd, record, kRecord, 0);
        else
          Write(fd, record, kRecord);
      }
    });
  for (pid_t child : children) Join(child);
  const std::string log = Contents("log");
  CHECK_EQ(log.size(), kWriters * kRecords * kRecord);
  std::map<int, int> next;
  for (size_t at = 0; at < log.size(); at += kRecord) {
    int writer, number;
    CHECK_EQ(sscanf(log.c_str() + at, "%d %d", &writer, &number), 2);
    CHECK_EQ(number, next[writer]++);
    CHECK_EQ(log[at + kRecord - 1], '\n');
  }
  return 0;
}
