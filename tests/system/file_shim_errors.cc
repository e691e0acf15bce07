// SPDX-License-Identifier: Apache-2.0
// Positioned calls that fail give the very errno that Linux gives, before and after the process has
// its fast path, and change nothing.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"
#include "opaque_value.h"
#include "shim_counters.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const std::string text = Text(10'000, 31);
  Put("file", text);
  const Fd fd = Open("file", O_RDWR), reader = Open("file", O_RDONLY),
           writer = Open("file", O_WRONLY), path = Open("file", O_PATH),
           folder = Open(".", O_RDONLY | O_DIRECTORY), appender = Open("file", O_RDWR | O_APPEND);
  int ends[2];
  CHECK_OK(pipe2(ends, O_CLOEXEC));
  const Fd pipe_out(ends[0]), pipe_in(ends[1]);
  Pair tcp = TcpPair(AF_INET);
  char buffer[100];
  iovec part{buffer, sizeof(buffer)};
  constexpr off_t kLast = INT64_MAX;

  for (int round = 0; round < 4; round++) {
    memset(buffer, 'b', sizeof(buffer));
    CHECK_FAILS(pread(writer, buffer, 10, 0), EBADF);
    CHECK_FAILS(preadv(writer, &part, 1, 0), EBADF);
    CHECK_FAILS(pwrite(reader, buffer, 10, 0), EBADF);
    CHECK_FAILS(pwritev(reader, &part, 1, 0), EBADF);
    CHECK_FAILS(pread(path, buffer, 10, 0), EBADF);
    CHECK_FAILS(pwrite(path, buffer, 10, 0), EBADF);
    CHECK_FAILS(fsync(path), EBADF);
    CHECK_FAILS(fdatasync(Opaque(-1)), EBADF);
    CHECK_FAILS(pread(Opaque(1'000'000), buffer, 10, 0), EBADF);
    CHECK_FAILS(pread(folder, buffer, 10, 0), EISDIR);
    CHECK_FAILS(pwrite(folder, buffer, 10, 0), EBADF);
    CHECK_OK(fsync(folder));
    CHECK_FAILS(pread(pipe_out, buffer, 10, 0), ESPIPE);
    CHECK_FAILS(pwrite(pipe_in, buffer, 10, 0), ESPIPE);
    CHECK_FAILS(fsync(pipe_in), EINVAL);
    CHECK_FAILS(pread(tcp.client, buffer, 10, 0), ESPIPE);
    CHECK_FAILS(pwrite(tcp.client, buffer, 10, 0), ESPIPE);
    CHECK_FAILS(fdatasync(tcp.client), EINVAL);

    CHECK_FAILS(pread(fd, buffer, 10, Opaque(off_t{-1})), EINVAL);
    CHECK_FAILS(pwrite(fd, buffer, 10, Opaque(off_t{-1})), EINVAL);
    CHECK_FAILS(preadv(fd, &part, 1, INT64_MIN), EINVAL);
    CHECK_FAILS(pwritev(fd, &part, Opaque(-1), 0), EINVAL);
    CHECK_EQ(pread(fd, buffer, 10, kLast - 10), 0);
    CHECK_FAILS(pwrite(fd, buffer, 10, kLast - 10), EFBIG);
    CHECK_FAILS(preadv2(fd, &part, 1, 0, 1 << 30), EOPNOTSUPP);
    CHECK_FAILS(pwritev2(fd, &part, 1, 0, 1 << 30), EOPNOTSUPP);
    part.iov_len = Opaque(size_t{1} << 63);
    CHECK_FAILS(preadv(fd, &part, 1, 0), EINVAL);
    part.iov_len = sizeof(buffer);

    CHECK_FAILS(pread(fd, Opaque<char*>(nullptr), 10, 0), EFAULT);
    CHECK_FAILS(pwrite(fd, Opaque<char*>(nullptr), 10, 0), EFAULT);
    CHECK_FAILS(pwrite(fd, reinterpret_cast<char*>(Opaque(0xdead'beef'dead'beef)), 10, 0), EFAULT);
    CHECK_FAILS(preadv(fd, Opaque<iovec*>(nullptr), 1, 0), EFAULT);

    // Nothing came of any of it.
    for (char byte : buffer) CHECK_EQ(byte, 'b');
    CheckSame(Contents("file"), text, "the file");
    // Nothing at all is no error.
    CHECK_EQ(pread(fd, nullptr, 0, 0), 0);
    CHECK_EQ(pwrite(fd, nullptr, 0, 1'000'000), 0);
    CHECK_EQ(preadv(fd, &part, 0, 0), 0);
    CHECK_EQ(StatOf(fd).st_size, text.size());
    // Whoever appends does so wherever he says.
    CHECK_EQ(pwrite(appender, "end", 3, 0), 3);
    CheckSame(ReadAt(fd, 100, text.size()), "end", "what was appended");
    CheckSame(ReadAt(fd, 3, 0), text.substr(0, 3), "the beginning");
    CHECK_OK(ftruncate(fd, text.size()));
    const uint64_t before = FastFileCalls();
    WarmUp(fd);
    CHECK_EQ(pwrite(fd, text.data(), 10, 0), 10);
    CHECK_OK(fsync(fd));
    CheckFastSince(before);
  }
  // A descriptor that is gone.
  const int gone = CHECK_OK(dup(fd));
  CHECK_EQ(pread(gone, buffer, 10, 0), 10);
  CHECK_OK(close(gone));
  CHECK_FAILS(pread(gone, buffer, 10, 0), EBADF);
  CHECK_FAILS(pwrite(gone, buffer, 10, 0), EBADF);
  CHECK_FAILS(fsync(gone), EBADF);
  // The same number, another file.
  Put("other", "other file");
  const Fd other = Open("other", O_RDONLY);
  CHECK_EQ(dup2(other, gone), gone);
  CheckSame(ReadAt(gone, 100, 0), "other file", "the descriptor's new file");
  CHECK_FAILS(pwrite(gone, buffer, 10, 0), EBADF);
  return 0;
}
