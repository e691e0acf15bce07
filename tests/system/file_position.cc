// SPDX-License-Identifier: Apache-2.0
// The position of sequential calls is the description's, in every mix: copies, forks, threads,
// lseek, positioned calls beside it, stdio.
// tier: fast
// boot: shared
// variants: trap shim local
#include <set>

#include "files.h"

using namespace vos::testing;

static off_t At(int fd) { return CHECK_OK(lseek(fd, 0, SEEK_CUR)); }

int main() {
  Directory directory;
  const std::string text = Text(50'000, 13);
  Put("file", text);
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  CHECK_EQ(At(fd), 0);
  std::string buffer(60'000, '\0');
  const auto read_some = [&](int from, size_t size, off_t position) {
    CHECK_EQ(read(from, buffer.data(), size), size);
    CHECK(Same(buffer.data(), text.data() + position, size));
  };
  read_some(fd, 100, 0);
  CHECK_EQ(At(fd), 100);
  // Positioned ones do not move it.
  CHECK_EQ(pread(fd, buffer.data(), 500, 10'000), 500);
  WriteAt(fd, text.substr(20'000, 100), 20'000);
  CHECK_EQ(At(fd), 100);
  const Fd copy(CHECK_OK(dup(fd)));
  read_some(copy, 200, 100);
  CHECK_EQ(At(fd), 300);
  CHECK_EQ(lseek(copy, 1000, SEEK_SET), 1000);
  Join(Fork([&] {
    read_some(fd, 50, 1000);
    Write(copy, text.substr(1050, 50));
  }));
  CHECK_EQ(At(fd), 1100);
  // Another description has its own.
  const Fd other = Open("file", O_RDWR);
  CHECK_EQ(At(other), 0);
  read_some(other, 10, 0);
  CHECK_EQ(At(fd), 1100);
  CHECK_EQ(lseek(fd, -100, SEEK_END), 49'900);
  CHECK_EQ(read(fd, buffer.data(), 500), 100);
  CHECK_EQ(read(fd, buffer.data(), 500), 0);
  CHECK_EQ(At(fd), 50'000);
  CHECK_EQ(lseek(fd, 1'000, SEEK_CUR), 51'000);
  CHECK_EQ(read(fd, buffer.data(), 500), 0);
  CHECK_EQ(At(fd), 51'000);
  iovec pieces[] = {{buffer.data(), 7}, {buffer.data() + 100, 13}};
  CHECK_EQ(lseek(fd, 5'000, SEEK_SET), 5'000);
  CHECK_EQ(readv(fd, pieces, 2), 20);
  CHECK(Same(buffer.data() + 100, text.data() + 5'007, 13));
  CHECK_EQ(At(fd), 5'020);
  CHECK_EQ(preadv2(fd, pieces, 2, -1, 0), 20);
  CHECK_EQ(At(fd), 5'040);
  CHECK_EQ(preadv(fd, pieces, 2, 0), 20);
  CHECK_EQ(At(fd), 5'040);

  // Threads that share it get every record once.
  {
    CHECK_OK(ftruncate(other, 0));
    std::string records;
    for (int i = 0; i < 300; i++) records += std::to_string(1'000'000 + i) + "\n";
    WriteAt(other, records, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    std::vector<Thread*> threads;
    std::vector<int> got[3];
    for (auto& mine : got)
      threads.push_back(new Thread([&] {
        char record[8];
        for (;;) {
          const ssize_t size = CHECK_OK(read(fd, record, sizeof(record)));
          if (size == 0) break;
          CHECK_EQ(size, 8);
          mine.push_back(atoi(std::string(record, 7).c_str()));
        }
      }));
    for (Thread* thread : threads) delete thread;
    std::set<int> all;
    for (const auto& mine : got)
      for (int record : mine) CHECK(all.insert(record).second);
    CHECK_EQ(all.size(), 300);
    CHECK_EQ(*all.begin(), 1'000'000);
    CHECK_EQ(*all.rbegin(), 1'000'299);
  }
  // Processes that share it write each record once.
  {
    CHECK_OK(ftruncate(fd, 0));
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    pid_t children[3];
    for (int c = 0; c < 3; c++)
      children[c] = Fork([&] {
        for (int i = 0; i < 100; i++) Write(fd, std::to_string(1'000'000 + c * 100 + i) + "\n");
      });
    for (pid_t child : children) Join(child);
    CHECK_EQ(At(fd), 2'400);
    std::set<int> all;
    const std::string records = Contents("file");
    CHECK_EQ(records.size(), 2'400);
    for (int i = 0; i < 300; i++) CHECK(all.insert(atoi(records.c_str() + i * 8)).second);
  }

  // stdio, which mixes seeks, buffers and both directions.
  FILE* stream = fopen("stdio", "w+");
  CHECK(stream);
  for (int i = 0; i < 2000; i++) fprintf(stream, "%05d\n", i);
  for (int i = 0; i < 2000; i += 37) {
    int number;
    CHECK_EQ(fseek(stream, i * 6, SEEK_SET), 0);
    CHECK_EQ(fscanf(stream, "%d", &number), 1);
    CHECK_EQ(number, i);
    CHECK_EQ(fseek(stream, i * 6, SEEK_SET), 0);
    fprintf(stream, "%05d", i + 50'000);
  }
  CHECK_EQ(fclose(stream), 0);
  const std::string lines = Contents("stdio");
  for (int i = 0; i < 2000; i++)
    CHECK_EQ(atoi(lines.c_str() + i * 6), i % 37 == 0 ? i + 50'000 : i);
  return 0;
}
