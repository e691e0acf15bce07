// SPDX-License-Identifier: Apache-2.0
// Set-user-id and set-group-id bits fall when somebody without CAP_FSETID writes, truncates,
// allocates or gives the file away, by every call that does so; reading, and root's writing, keep
// them.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/sendfile.h>

#include "files.h"

using namespace vos::testing;

static mode_t Bits(const char* name) { return StatOf(name).st_mode & 07777; }

static void Set(mode_t mode) {
  CHECK_OK(chmod("file", mode));
  CHECK_EQ(Bits("file"), mode);
}

int main() {
  NeedRoot();
  Directory directory(0777);
  Put("file", std::string(10'000, 'x'));
  CHECK_OK(chown("file", kAlice, kSharedGroup));
  Set(06777);

  struct {
    const char* name;
    void (*change)(int fd);
  } const changes[] = {
      {"write", [](int fd) { Write(fd, "w"); }},
      {"pwrite", [](int fd) { WriteAt(fd, "w", 5); }},
      {"pwrite after a warm-up",
       [](int fd) {
         WarmUp(fd);
         WriteAt(fd, "w", 5);
       }},
      {"writev",
       [](int fd) {
         iovec piece{const_cast<char*>("v"), 1};
         CHECK_EQ(writev(fd, &piece, 1), 1);
       }},
      {"ftruncate", [](int fd) { CHECK_OK(ftruncate(fd, 9'000)); }},
      {"truncate", [](int) { CHECK_OK(truncate("file", 9'500)); }},
      {"open with O_TRUNC", [](int) { const Fd fd = Open("file", O_WRONLY | O_TRUNC); }},
      {"fallocate", [](int fd) { CHECK_OK(fallocate(fd, 0, 0, 20'000)); }},
      {"copy_file_range",
       [](int fd) {
         const Fd from = Open("file", O_RDONLY);
         loff_t in = 0, out = 12'000;
         CHECK_EQ(copy_file_range(from, &in, fd, &out, 100, 0), 100);
       }},
      {"sendfile",
       [](int fd) {
         const Fd from = Open("file", O_RDONLY);
         CHECK_EQ(sendfile(fd, from, nullptr, 100), 100);
       }},
  };
  for (const auto& change : changes) {
    As(kBob, [&] {
      const Fd fd = Open("file", O_RDWR);
      if (StatOf(fd).st_size < 10'000) CHECK_OK(ftruncate(fd, 10'000));
    });
    Set(06777);
    As(kBob, [&] {
      const Fd fd = Open("file", O_RDWR);
      change.change(fd);
    });
    if (Bits("file") != 0777) FAIL("after %s the mode is %o", change.name, Bits("file"));
    // Without the group's execute bit, set-group-id means mandatory locks of old and stays.
    Set(06767);
    As(kBob, [&] {
      const Fd fd = Open("file", O_RDWR);
      change.change(fd);
    });
    if (Bits("file") != 0767 && Bits("file") != 02767)
      FAIL("after %s without group execution the mode is %o", change.name, Bits("file"));
  }

  // Also by the owner, and through a descriptor that was opened by root.
  Set(04755);
  As(kAlice, [] {
    const Fd fd = Open("file", O_RDWR);
    WarmUp(fd);
    WriteAt(fd, "w", 0);
  });
  CHECK_EQ(Bits("file"), 0755);
  Set(04755);
  {
    const Fd fd = Open("file", O_RDWR);
    As(kBob, [&] { WriteAt(fd, "w", 0); });
    CHECK_EQ(Bits("file"), 0755);
  }

  // The fast path too asks for what the writer may do, not for what the opener might have done.
  Set(06755);
  {
    const Fd fd = Open("file", O_RDWR);
    As(kBob, [&] {
      WarmUp(fd);
      WriteAt(fd, "w", 0);
    });
    CHECK_EQ(Bits("file"), 0755);
  }
  Set(06755);
  {
    CHECK_OK(seteuid(kAlice));
    const Fd fd = Open("file", O_RDWR);
    CHECK_OK(seteuid(0));
    WarmUp(fd);
    WriteAt(fd, "by root", 0);
    CHECK_EQ(Bits("file"), 06755);
  }

  // Reading keeps them, and so does who has CAP_FSETID.
  Set(06755);
  As(kBob, [] {
    Contents("file");
    const Fd fd = Open("file", O_RDONLY);
    WarmUp(fd);
  });
  CHECK_EQ(Bits("file"), 06755);
  {
    const Fd fd = Open("file", O_RDWR);
    Write(fd, "by root");
    WriteAt(fd, "by root", 100);
  }
  CHECK_EQ(Bits("file"), 06755);

  // Giving a file away.
  CHECK_OK(chown("file", kBob, kSharedGroup));
  CHECK_EQ(Bits("file"), 0755);
  Set(06755);
  CHECK_OK(chown("file", kAlice, kSharedGroup));
  CHECK_EQ(Bits("file"), 0755);
  Set(06755);
  As(kAlice, {kSharedGroup}, [] { CHECK_OK(chown("file", -1, kAlice)); });
  CHECK_EQ(Bits("file"), 0755);
  // Directories keep theirs.
  CHECK_OK(mkdir("d", 0755));
  CHECK_OK(chmod("d", 06755));
  CHECK_OK(chown("d", kAlice, kSharedGroup));
  CHECK_EQ(Bits("d"), 06755);
  return 0;
}
