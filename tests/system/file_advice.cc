// SPDX-License-Identifier: Apache-2.0
// Advice about files is taken or refused, and harms nothing: posix_fadvise, readahead, madvise,
// FIONREAD, close-on-exec, ioctls that the file system does not have.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/fs.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const std::string text = Text(100'000, 15);
  Put("file", text);
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  for (int advice : {POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                     POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE}) {
    CHECK_EQ(posix_fadvise(fd, 0, 50'000, advice), 0);
    CheckSame(ReadAt(fd, 1000, 700), text.substr(700, 1000), "after advice");
  }
  CHECK_EQ(posix_fadvise(fd, 0, 0, 1000), EINVAL);
  if (readahead(fd, 0, 65'536) != 0) CHECK_EQ(errno, EINVAL);
  {
    Mapping mapping(fd, 65'536, PROT_READ, MAP_SHARED);
    for (int advice : {MADV_SEQUENTIAL, MADV_RANDOM, MADV_WILLNEED, MADV_DONTNEED}) {
      CHECK_OK(madvise(mapping.data(), 65'536, advice));
      CHECK(Same(mapping.data() + 5'000, text.data() + 5'000, 5'000));
    }
  }
  int unread = -1;
  CHECK_EQ(lseek(fd, 99'000, SEEK_SET), 99'000);
  CHECK_OK(ioctl(fd, FIONREAD, &unread));
  CHECK_EQ(unread, 1'000);
  int on = 1;
  CHECK_OK(ioctl(fd, FIONBIO, &on));
  CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
  CheckSame(ReadAt(fd, 10, 0), text.substr(0, 10), "O_NONBLOCK");
  WriteAt(fd, text.substr(0, 10), 0);
  // Ready at all times.
  CHECK_EQ(Poll(fd, POLLIN | POLLOUT, 0), POLLIN | POLLOUT);
  char terminal[256];
  CHECK_FAILS(ioctl(fd, TCGETS, terminal), ENOTTY);
  CHECK_FAILS(fcntl(fd, F_GETPIPE_SZ), EBADF);
  // Each works, or says that it does not.
  int flags = 0;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) CHECK(errno == ENOTTY || errno == EOPNOTSUPP);
  struct {
    struct file_clone_range range;
  } clone = {{fd, 0, 0, 0}};
  const Fd other = Create("other");
  if (ioctl(other, FICLONERANGE, &clone.range) != 0)
    CHECK(errno == EOPNOTSUPP || errno == ENOTTY || errno == EINVAL);
  CheckSame(Contents("file"), text, "in the end");
  return 0;
}
