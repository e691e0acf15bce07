// SPDX-License-Identifier: Apache-2.0
// O_SYNC, O_DSYNC, fsync, fdatasync, syncfs, sync_file_range and their flags of single calls
// succeed and change nothing that is read.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const std::string text = Text(30'000, 4);
  for (int flag : {O_SYNC, O_DSYNC}) {
    const Fd fd = Open("file", O_RDWR | O_CREAT | O_TRUNC | flag);
    CHECK_EQ(fcntl(fd, F_GETFL) & flag, flag);
    Write(fd, text);
    WriteAt(fd, "front", 0);
    WarmUp(fd);
    WriteAt(fd, "behind", 30'000);
    CheckSame(Contents("file"), "front" + text.substr(5) + "behind", "synchronous");
  }
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  for (int i = 0; i < 5; i++) {
    WriteAt(fd, std::string(5000, char('a' + i)), i * 5000);
    CHECK_OK(i % 2 ? fsync(fd) : fdatasync(fd));
    CheckSame(ReadAt(fd, 5000, i * 5000), std::string(5000, char('a' + i)), "synced");
  }
  iovec piece{const_cast<char*>("dsync"), 5};
  CHECK_EQ(pwritev2(fd, &piece, 1, 10, RWF_DSYNC), 5);
  CHECK_EQ(pwritev2(fd, &piece, 1, 20, RWF_SYNC), 5);
  CheckSame(ReadAt(fd, 5, 10), "dsync", "RWF_DSYNC");
  CHECK_OK(syncfs(fd));
  CHECK_OK(sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
  CHECK_OK(sync_file_range(
      fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
  CHECK_FAILS(sync_file_range(fd, -1, 1, 0), EINVAL);

  // On a read-only description, after the last write through another, and of a directory.
  const Fd reader = Open("file", O_RDONLY);
  CHECK_OK(fsync(reader));
  CHECK_OK(fdatasync(reader));
  const Fd itself = Open(".", O_RDONLY | O_DIRECTORY);
  CHECK_OK(fsync(itself));
  CHECK_OK(fdatasync(itself));
  const Fd path = Open("file", O_PATH);
  CHECK_FAILS(fsync(path), EBADF);
  {
    Mapping mapping(fd, 8192, PROT_READ | PROT_WRITE, MAP_SHARED);
    memcpy(mapping.data(), "mapped", 6);
    CHECK_OK(fsync(fd));
    CheckSame(ReadAt(fd, 6, 0), "mapped", "fsync of what a mapping wrote");
  }

  // Threads sync one file at once.
  {
    std::vector<Thread*> threads;
    for (int i = 0; i < 4; i++)
      threads.push_back(new Thread([&, i] {
        for (int round = 0; round < 5; round++) {
          WriteAt(fd, std::string(1000, char('0' + i)), 40'000 + i * 1000);
          CHECK_OK(fsync(fd));
        }
      }));
    for (Thread* thread : threads) delete thread;
  }
  for (int i = 0; i < 4; i++)
    CheckSame(ReadAt(fd, 1000, 40'000 + i * 1000), std::string(1000, char('0' + i)), "by threads");
  return 0;
}
