// SPDX-License-Identifier: Apache-2.0
// io_uring on files: open, read, write, fixed and registered ones, positions, append, links,
// fsync, fallocate, statx, rename, unlink, many at once.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"
#include "ring.h"

using namespace vos::testing;

static io_uring_sqe At(io_uring_sqe entry, off_t position) {
  entry.off = static_cast<uint64_t>(position);
  return entry;
}

int main() {
  Directory directory;
  Ring ring;
  io_uring_sqe entry = Entry(IORING_OP_OPENAT, AT_FDCWD, "file", 0644, 1);
  entry.open_flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  ring.Submit(entry);
  const Fd fd(ring.Wait(1));
  CHECK(fd >= 0);
  ring.Submit(entry);
  CHECK_EQ(ring.Wait(1), -EEXIST);

  const std::string text = Text(100'000, 10);
  std::string buffer(200'000, '\0');
  ring.Submit(At(Entry(IORING_OP_WRITE, fd, text.data(), text.size(), 2), 0));
  CHECK_EQ(ring.Wait(2), text.size());
  ring.Submit(At(Entry(IORING_OP_READ, fd, buffer.data(), buffer.size(), 3), 0));
  CHECK_EQ(ring.Wait(3), text.size());
  CHECK(Same(buffer.data(), text.data(), text.size()));
  CheckSame(Contents("file"), text, "by read");
  ring.Submit(At(Entry(IORING_OP_READ, fd, buffer.data(), 10, 3), text.size()));
  CHECK_EQ(ring.Wait(3), 0);

  // At the description's own position, which both kinds of calls move.
  CHECK_EQ(lseek(fd, 1000, SEEK_SET), 1000);
  ring.Submit(At(Entry(IORING_OP_READ, fd, buffer.data(), 500, 4), -1));
  CHECK_EQ(ring.Wait(4), 500);
  CHECK(Same(buffer.data(), text.data() + 1000, 500));
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1500);
  ring.Submit(At(Entry(IORING_OP_WRITE, fd, "position", 8, 5), -1));
  CHECK_EQ(ring.Wait(5), 8);
  CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1508);
  CheckSame(ReadAt(fd, 8, 1500), "position", "at the position");
  {
    const Fd appender = Open("file", O_WRONLY | O_APPEND);
    ring.Submit(At(Entry(IORING_OP_WRITE, appender, "end", 3, 6), 0));
    CHECK_EQ(ring.Wait(6), 3);
    CheckSame(ReadAt(fd, 10, text.size()), "end", "appended");
  }

  // Vectors, and a registered file and buffer.
  iovec pieces[] = {{buffer.data(), 10}, {buffer.data() + 100, 20}};
  ring.Submit(At(Entry(IORING_OP_READV, fd, pieces, 2, 7), 5));
  CHECK_EQ(ring.Wait(7), 30);
  CHECK(Same(buffer.data() + 100, text.data() + 15, 20));
  iovec registered{buffer.data(), buffer.size()};
  if (syscall(SYS_io_uring_register, ring.fd(), IORING_REGISTER_BUFFERS, &registered, 1) == 0) {
    io_uring_sqe fixed = At(Entry(IORING_OP_READ_FIXED, fd, buffer.data() + 50, 5000, 8), 200);
    ring.Submit(fixed);
    CHECK_EQ(ring.Wait(8), 5000);
    CHECK(Same(buffer.data() + 50, text.data() + 200, 1000));
    memset(buffer.data(), 'F', 5000);
    fixed = At(Entry(IORING_OP_WRITE_FIXED, fd, buffer.data(), 5000, 8), 3000);
    ring.Submit(fixed);
    CHECK_EQ(ring.Wait(8), 5000);
    CheckSame(ReadAt(fd, 5000, 3000), std::string(5000, 'F'), "from a registered buffer");
  }
  const int number = fd;
  CHECK_OK(syscall(SYS_io_uring_register, ring.fd(), IORING_REGISTER_FILES, &number, 1));
  io_uring_sqe by_index = At(Entry(IORING_OP_READ, 0, buffer.data(), 10, 9), 0);
  by_index.flags = IOSQE_FIXED_FILE;
  ring.Submit(by_index);
  CHECK_EQ(ring.Wait(9), 10);
  CHECK(Same(buffer.data(), text.data(), 10));

  // A chain: each after the one before; the failure of one ends it.
  io_uring_sqe first = At(Entry(IORING_OP_WRITE, fd, "chain", 5, 10), 0);
  io_uring_sqe second = Entry(IORING_OP_FSYNC, fd, nullptr, 0, 11);
  io_uring_sqe third = At(Entry(IORING_OP_READ, fd, buffer.data(), 5, 12), 0);
  first.flags = second.flags = IOSQE_IO_LINK;
  for (const auto& each : {first, second, third}) ring.Queue(each);
  ring.Enter(3);
  CHECK_EQ(ring.Wait(10), 5);
  CHECK_EQ(ring.Wait(11), 0);
  CHECK_EQ(ring.Wait(12), 5);
  CHECK(Same(buffer.data(), "chain", 5));

  // Seven at once, asynchronously.
  int results[7] = {};
  std::string blocks[7];
  for (uint64_t i = 0; i < 7; i++) {
    blocks[i] = std::string(4096, char('0' + i));
    io_uring_sqe write = At(Entry(IORING_OP_WRITE, fd, blocks[i].data(), 4096, i), 4096 * i);
    write.flags = IOSQE_ASYNC;
    ring.Queue(write);
  }
  ring.Enter(7);
  for (int i = 0; i < 7; i++) {
    const io_uring_cqe result = ring.Next();
    results[result.user_data] = result.res;
  }
  for (int i = 0; i < 7; i++) {
    CHECK_EQ(results[i], 4096);
    CheckSame(ReadAt(fd, 4096, 4096 * i), blocks[i], "asynchronous");
  }

  entry = Entry(IORING_OP_FSYNC, fd, nullptr, 0, 13);
  entry.fsync_flags = IORING_FSYNC_DATASYNC;
  ring.Submit(entry);
  CHECK_EQ(ring.Wait(13), 0);
  entry = Entry(IORING_OP_FALLOCATE, fd, reinterpret_cast<void*>(4096), 0, 14);
  entry.off = 200'000;
  ring.Submit(entry);
  CHECK_EQ(ring.Wait(14), 0);
  CHECK_EQ(StatOf("file").st_size, 204'096);
  struct statx status;
  entry = Entry(IORING_OP_STATX, AT_FDCWD, "file", STATX_BASIC_STATS, 15);
  entry.off = reinterpret_cast<uint64_t>(&status);
  ring.Submit(entry);
  CHECK_EQ(ring.Wait(15), 0);
  CHECK_EQ(status.stx_size, 204'096);
  entry = Entry(IORING_OP_RENAMEAT, AT_FDCWD, "file", static_cast<unsigned>(AT_FDCWD), 16);
  entry.off = reinterpret_cast<uint64_t>("renamed");
  ring.Submit(entry);
  CHECK_EQ(ring.Wait(16), 0);
  CHECK(Exists("renamed") && !Exists("file"));
  ring.Submit(Entry(IORING_OP_UNLINKAT, AT_FDCWD, "renamed", 0, 17));
  CHECK_EQ(ring.Wait(17), 0);
  CHECK(!Exists("renamed"));
  ring.Submit(At(Entry(IORING_OP_WRITE, fd, nullptr, 100, 18), 0));
  CHECK_EQ(ring.Wait(18), -EFAULT);
  return 0;
}
