// SPDX-License-Identifier: Apache-2.0
// preadv and pwritev: pieces, their limits, flags of single calls; bad memory is EFAULT or a short
// count, never a wrong byte; zero bytes do nothing.
// tier: fast
// boot: shared
// variants: trap shim local
#include "files.h"
#include "opaque_value.h"

using namespace vos::testing;

int main() {
  Directory directory;
  const std::string text = Text(300'000, 14);
  Put("file", text);
  const Fd fd = Open("file", O_RDWR);
  WarmUp(fd);
  // As many pieces as there may be, of odd sizes.
  for (int count : {1, 2, 64, 65, IOV_MAX}) {
    std::vector<std::string> parts(count);
    std::vector<iovec> pieces;
    size_t total = 0;
    for (int i = 0; i < count; i++) {
      parts[i].resize(i % 7 == 3 ? 0 : 1 + i * 37 % 200);
      pieces.push_back({parts[i].data(), parts[i].size()});
      total += parts[i].size();
    }
    CHECK_EQ(preadv(fd, pieces.data(), count, 333), total);
    std::string all;
    for (const auto& part : parts) all += part;
    CheckSame(all, text.substr(333, total), "preadv");
    for (auto& part : parts)
      for (char& byte : part) byte ^= 0x55;
    CHECK_EQ(pwritev(fd, pieces.data(), count, 333), total);
    std::string written;
    for (const auto& part : parts) written += part;
    CheckSame(ReadAt(fd, total, 333), written, "pwritev");
    WriteAt(fd, text, 0);
  }
  iovec one{const_cast<char*>(text.data()), 10};
  std::vector<iovec> too_many(IOV_MAX + 1, one);
  CHECK_FAILS(preadv(fd, too_many.data(), IOV_MAX + 1, 0), EINVAL);
  CHECK_FAILS(preadv(fd, &one, Opaque(-1), 0), EINVAL);
  CHECK_FAILS(preadv(fd, &one, 1, -1), EINVAL);
  CHECK_EQ(preadv(fd, &one, 0, 0), 0);

  // Over the end, and from behind.
  std::string buffer(400'000, '\0');
  CHECK_EQ(pread(fd, buffer.data(), buffer.size(), 0), text.size());
  CheckSame(buffer.substr(0, text.size()), text, "all of it");
  CHECK_EQ(pread(fd, buffer.data(), 100, text.size() - 30), 30);
  CHECK_EQ(pread(fd, buffer.data(), 100, text.size()), 0);
  // Nothing.
  CHECK_EQ(pread(fd, nullptr, 0, 0), 0);
  CHECK_EQ(pwrite(fd, nullptr, 0, 5'000'000), 0);
  CHECK_EQ(write(fd, nullptr, 0), 0);
  CHECK_EQ(StatOf(fd).st_size, text.size());

  // Flags.
  iovec piece{buffer.data(), 100};
  const ssize_t now = preadv2(fd, &piece, 1, 200, RWF_NOWAIT);
  if (now < 0)
    CHECK(errno == EAGAIN || errno == EOPNOTSUPP);
  else
    CHECK(now == 100 && Same(buffer.data(), text.data() + 200, 100));
  CHECK_EQ(preadv2(fd, &piece, 1, 200, RWF_HIPRI), 100);
  CHECK_FAILS(preadv2(fd, &piece, 1, 0, 0x4000'0000), EOPNOTSUPP);

  // Memory that is not there, read-only, or ends in the middle.
  Mapping gone(-1, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memcpy(gone.data(), "edge", 4);
  memcpy(gone.data() + 4092, "EDGE", 4);
  CHECK_OK(mprotect(gone.data() + 4096, 4096, PROT_NONE));
  char* const nowhere = gone.data() + 4096;
  for (int round = 0; round < 2; round++) {
    CHECK_FAILS(pread(fd, nowhere, 100, 0), EFAULT);
    CHECK_FAILS(pwrite(fd, nowhere, 100, 0), EFAULT);
    CHECK_FAILS(pwrite(fd, Opaque<char*>(nullptr), 100, 0), EFAULT);
    CHECK_FAILS(pread(fd, reinterpret_cast<void*>(0xffff'8000'0000'0000), 8, 0), EFAULT);
    CHECK_FAILS(pread(fd, buffer.data(), Opaque(size_t{1} << 63), 0), EFAULT);
    CHECK(preadv(fd, reinterpret_cast<iovec*>(nowhere), 2, 0) == -1 && errno == EFAULT);
    // Half there: what came is right.
    const ssize_t got = pread(fd, nowhere - 50, 100, 1'000);
    if (got < 0) {
      CHECK_EQ(errno, EFAULT);
    } else {
      CHECK(got <= 50);
      CHECK(Same(nowhere - 50, text.data() + 1'000, got));
    }
    memset(nowhere - 50, 'e', 50);
    const ssize_t put = pwrite(fd, nowhere - 50, 100, 2'000);
    if (put < 0) CHECK_EQ(errno, EFAULT);
    CHECK(put <= 50);
    const std::string after = ReadAt(fd, 100, 2'000);
    for (int i = 0; i < 100; i++)
      if (after[i] != text[2'000 + i] && (i >= 50 || after[i] != 'e')) FAIL("byte %d is wrong", i);
    WriteAt(fd, text, 0);
    WarmUp(fd);
  }
  CheckSame(Contents("file"), text, "in the end");
  return 0;
}
