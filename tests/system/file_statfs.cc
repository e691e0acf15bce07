// SPDX-License-Identifier: Apache-2.0
// statfs and statvfs: room that falls with what is written and comes back, names' length, kind.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/statvfs.h>

#include "files.h"

using namespace vos::testing;

int main() {
  Directory directory;
  struct statfs before, after;
  CHECK_OK(statfs(".", &before));
  CHECK_EQ(before.f_namelen, 255);
  CHECK(before.f_bsize >= 512 && before.f_blocks > 0);
  CHECK(before.f_bavail <= before.f_bfree && before.f_bfree <= before.f_blocks);
  CHECK(before.f_files > 0 && before.f_ffree <= before.f_files);
  const Fd fd = Create("file");
  constexpr size_t kSize = 8 << 20;
  {
    const std::string text = Text(1 << 20, 7);
    for (size_t i = 0; i < kSize; i += text.size()) WriteAt(fd, text, i);
  }
  CHECK_OK(fsync(fd));
  CHECK_OK(fstatfs(fd, &after));
  CHECK_EQ(after.f_type, before.f_type);
  CHECK_EQ(after.f_blocks, before.f_blocks);
  // Others may write, too.
  CHECK(before.f_bfree * before.f_bsize - after.f_bfree * after.f_bsize >= kSize / 2);
  CHECK(after.f_ffree < before.f_ffree);
  CHECK_OK(ftruncate(fd, 0));
  CHECK_OK(fsync(fd));
  struct statfs freed;
  CHECK_OK(statfs("file", &freed));
  CHECK(freed.f_bfree * freed.f_bsize >= after.f_bfree * after.f_bsize + kSize / 2);

  struct statvfs other;
  CHECK_OK(statvfs(".", &other));
  CHECK_EQ(other.f_namemax, 255);
  CHECK_EQ(other.f_flag & ST_RDONLY, 0);
  CHECK_OK(fstatvfs(fd, &other));
  CHECK_FAILS(statfs("absent", &after), ENOENT);
  return 0;
}
