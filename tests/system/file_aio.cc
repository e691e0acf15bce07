// SPDX-License-Identifier: Apache-2.0
// Linux AIO by bare system calls: reads, writes, vectors, fsync and their order, events by
// eventfd, errors.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/aio_abi.h>
#include <sys/eventfd.h>

#include "files.h"

using namespace vos::testing;

static iocb Request(int operation, int fd, const void* address, size_t size, off_t position,
                    uint64_t id) {
  iocb request = {};
  request.aio_lio_opcode = static_cast<uint16_t>(operation);
  request.aio_fildes = fd;
  request.aio_buf = reinterpret_cast<uint64_t>(address);
  request.aio_nbytes = size;
  request.aio_offset = position;
  request.aio_data = id;
  return request;
}

int main() {
  Directory directory;
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, 64, &context) != 0) SKIP("Linux AIO is not allowed here");
  const auto submit = [&](std::vector<iocb*> requests) {
    return static_cast<int>(syscall(SYS_io_submit, context, requests.size(), requests.data()));
  };
  // The results, by the requests' ids.
  const auto wait = [&](int count) {
    std::vector<int64_t> results(64, -1000);
    io_event events[64];
    timespec limit{kSoon / 1000, 0};
    while (count > 0) {
      const int got =
          static_cast<int>(CHECK_OK(syscall(SYS_io_getevents, context, 1, count, events, &limit)));
      if (got == 0) FAIL("%d events do not come", count);
      for (int i = 0; i < got; i++) results[events[i].data] = events[i].res;
      count -= got;
    }
    return results;
  };

  constexpr size_t kPiece = 8192, kPieces = 16;
  void* memory = nullptr;
  CHECK_EQ(posix_memalign(&memory, 4096, 2 * kPiece * kPieces), 0);
  char* out = static_cast<char*>(memory);
  char* in = out + kPiece * kPieces;
  for (int flags : {0, O_DIRECT}) {
    const int opened = open("file", O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);
    if (opened < 0 && MayLack()) continue;
    const Fd fd(CHECK_OK(opened));
    const std::string text = Text(kPiece * kPieces, 9 + flags);
    memcpy(out, text.data(), text.size());
    iocb requests[kPieces];
    std::vector<iocb*> list;
    // Backwards, all at once.
    for (size_t i = 0; i < kPieces; i++) {
      const size_t piece = kPieces - 1 - i;
      requests[i] = Request(IOCB_CMD_PWRITE, fd, out + piece * kPiece, kPiece, piece * kPiece, i);
      list.push_back(&requests[i]);
    }
    CHECK_EQ(submit(list), kPieces);
    for (const auto results = wait(kPieces); size_t i : {0, 7, 15}) CHECK_EQ(results[i], kPiece);
    {
      const Fd plain = Open("file", O_RDONLY);
      CheckSame(ReadAt(plain, text.size() + 1, 0), text, "written by AIO");
    }
    memset(in, 0, kPiece * kPieces);
    for (size_t i = 0; i < kPieces; i++)
      requests[i] = Request(IOCB_CMD_PREAD, fd, in + i * kPiece, kPiece, i * kPiece, i);
    CHECK_EQ(submit(list), kPieces);
    for (const auto results = wait(kPieces); int64_t result : {results[0], results[15]})
      CHECK_EQ(result, kPiece);
    CHECK(Same(in, text.data(), text.size()));
    // Over the end.
    iocb beyond = Request(IOCB_CMD_PREAD, fd, in, kPiece, kPiece * kPieces, 1);
    CHECK_EQ(submit({&beyond}), 1);
    CHECK_EQ(wait(1)[1], 0);
  }

  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  // Vectors, fsync, with a counter of events.
  const Fd counter(CHECK_OK(eventfd(0, EFD_CLOEXEC)));
  iovec pieces[] = {{out, 100}, {out + 1000, 50}};
  memset(out, 'v', 2000);
  iocb vector = Request(IOCB_CMD_PWRITEV, fd, pieces, 2, 10, 1);
  iocb sync = Request(IOCB_CMD_FSYNC, fd, nullptr, 0, 0, 2);
  iocb data_sync = Request(IOCB_CMD_FDSYNC, fd, nullptr, 0, 0, 3);
  for (iocb* request : {&vector, &sync, &data_sync}) {
    request->aio_flags = IOCB_FLAG_RESFD;
    request->aio_resfd = counter;
    CHECK_EQ(submit({request}), 1);
    CHECK(Poll(counter, POLLIN, kSoon) & POLLIN);
    uint64_t count;
    CHECK_EQ(read(counter, &count, sizeof(count)), 8);
    CHECK_EQ(count, 1);
  }
  const auto results = wait(3);
  CHECK_EQ(results[1], 150);
  CHECK_EQ(results[2], 0);
  CHECK_EQ(results[3], 0);
  CheckSame(ReadAt(fd, 150, 10), std::string(150, 'v'), "vector");

  // Refused at once, or failing later.
  iocb bad = Request(IOCB_CMD_PREAD, -1, in, 1, 0, 1);
  CHECK_FAILS(submit({&bad}), EBADF);
  const Fd reader = Open("file", O_RDONLY);
  bad = Request(IOCB_CMD_PWRITE, reader, in, 1, 0, 1);
  CHECK_FAILS(submit({&bad}), EBADF);
  bad = Request(IOCB_CMD_PREAD, fd, nullptr, 100, 0, 1);
  if (submit({&bad}) == 1)
    CHECK_EQ(wait(1)[1], -EFAULT);
  else
    CHECK_EQ(errno, EFAULT);
  // Left in flight at the end of the context.
  iocb last = Request(IOCB_CMD_PWRITE, fd, out, kPiece, 0, 1);
  CHECK_EQ(submit({&last}), 1);
  CHECK_OK(syscall(SYS_io_destroy, context));
  CheckSame(ReadAt(fd, 50, 0), std::string(50, 'v'), "in flight at the end");
  return 0;
}
