// SPDX-License-Identifier: Apache-2.0
// A full file system: ENOSPC comes at the call that needs room, by every way of writing, and takes nothing that is there;
// what needs no room goes on, and room that is given back is used again.
// tier: fast
// boot: shared
// variants: trap shim local
// time: 60
#include <setjmp.h>

#include "tests/system/files.h"

using namespace vos::testing;

namespace {

constexpr off_t kMiB = 1 << 20;

sigjmp_buf after_fault;

off_t Room() {
  struct statfs where;
  CHECK_OK(statfs(".", &where));
  // Root's own, which may use the reserve.
  return static_cast<off_t>(where.f_bfree) * where.f_bsize;
}

// Writes until there is no more room, in pieces of this size; how much went in.
off_t WriteUntilFull(int fd, size_t piece, off_t from) {
  const std::string bytes = Text(piece, 31);
  for (off_t at = from;;) {
    const ssize_t written = pwrite(fd, bytes.data(), piece, at);
    if (written < 0) {
      CHECK_EQ(errno, ENOSPC);
      return at - from;
    }
    CHECK(written > 0);
    at += written;
    CHECK(at < from + 1024 * kMiB);
  }
}

bool StoreFaults(char* at) {
  if (sigsetjmp(after_fault, 1)) return true;
  *const_cast<volatile char*>(at) = 1;
  return false;
}

}  // namespace

int main() {
  NeedRoot();
  Directory directory;
  if (MayLack()) SKIP("not on ext4");
  const std::string text = Text(500'000, 32);
  Put("kept", text);
  const Fd kept = Open("kept", O_RDWR), sparse = Create("sparse");
  CHECK_OK(ftruncate(sparse, 64 * kMiB));
  CHECK_OK(fsync(kept));
  CHECK_OK(mkdir("d", 0755));

  // Takes all of the room without writing it, and gives a little back.
  const Fd ballast = Create("ballast");
  constexpr off_t kLeft = 6 * kMiB;
  for (off_t piece = 1024 * kMiB; piece >= kMiB;) {
    if (fallocate(ballast, 0, StatOf(ballast).st_size, piece) == 0) continue;
    CHECK_EQ(errno, ENOSPC);
    piece /= 2;
  }
  CHECK(StatOf(ballast).st_size > 2 * kLeft);
  CHECK_OK(ftruncate(ballast, StatOf(ballast).st_size - kLeft));
  CHECK_OK(syncfs(ballast));
  const Fd fd = Create("filler");
  WarmUp(fd);
  const off_t filled = WriteUntilFull(fd, 60'000, 0);
  printf("%ld bytes until it was full\n", static_cast<long>(filled));
  CHECK(filled > 0 && filled < 8 * kLeft);

  // Again and by all other ways.
  const std::string block(65'536, 'b');
  for (int round = 0; round < 3; round++) {
    CHECK_FAILS(pwrite(fd, block.data(), block.size(), 500 * kMiB), ENOSPC);
    CHECK_EQ(lseek(fd, 500 * kMiB, SEEK_SET), 500 * kMiB);
    CHECK_FAILS(write(fd, block.data(), block.size()), ENOSPC);
  }
  CHECK_FAILS(fallocate(fd, 0, 500 * kMiB, 100 * kMiB), ENOSPC);
  CHECK(StatOf(fd).st_size < 400 * kMiB);
  {
    loff_t in = 0, out = 500 * kMiB;
    CHECK_FAILS(copy_file_range(kept, &in, fd, &out, 400'000, 0), ENOSPC);
    const Fd appender = Open("sparse", O_WRONLY | O_APPEND);
    CHECK_FAILS(write(appender, block.data(), block.size()), ENOSPC);
    CHECK_EQ(StatOf("sparse").st_size, 64 * kMiB);
  }
  // A store into a hole has no call that could fail.
  {
    Handle(SIGBUS, [](int) { siglongjmp(after_fault, 1); }, SA_NODEFER);
    Mapping mapping(sparse, 64 * kMiB, PROT_READ | PROT_WRITE, MAP_SHARED);
    bool faulted = false;
    for (off_t at = 0; at < 64 * kMiB && !faulted; at += 65'536)
      faulted = StoreFaults(mapping.data() + at);
    // Or it is found when the pages are written out.
    if (!faulted && msync(mapping.data(), 64 * kMiB, MS_SYNC) != 0) {
      CHECK(errno == ENOSPC || errno == EIO);
      faulted = true;
    }
    CHECK(faulted);
  }
  if (fsync(sparse) != 0) CHECK(errno == ENOSPC || errno == EIO);

  // Nothing that was there is harmed, and what needs no room is done.
  CheckSame(Contents("kept"), text, "what was there before");
  WriteAt(kept, text.substr(0, 100'000), 200'000);
  CHECK_OK(fsync(kept));
  CHECK_OK(rename("kept", "moved"));
  CHECK_OK(chmod("moved", 0600));
  {
    // Names need room at some time; each is whole or not there.
    int made = 0;
    for (int i = 0; i < 3'000; i++) {
      const int created = open(("d/" + std::string(200, 'n') + std::to_string(i)).c_str(),
                               O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (created < 0) {
        CHECK_EQ(errno, ENOSPC);
        break;
      }
      close(created);
      made++;
    }
    DIR* stream = opendir("d");
    CHECK(stream);
    int found = -2;
    while (readdir(stream)) found++;
    closedir(stream);
    CHECK_EQ(found, made);
  }

  // Given back: the same calls work.
  CHECK_OK(ftruncate(fd, 0));
  CHECK_OK(ftruncate(sparse, 0));
  CHECK_OK(unlink("ballast"));
  CHECK_OK(ftruncate(ballast, 0));
  // The first may tell of what a mapping could not write.
  if (syncfs(fd) != 0) CHECK(errno == ENOSPC || errno == EIO);
  CHECK_OK(syncfs(fd));
  CHECK(Room() > kLeft);
  WriteAt(fd, text, 0);
  CHECK_OK(fsync(fd));
  CheckSame(Contents("filler"), text, "written with room again");
  std::string expected = text;
  expected.replace(200'000, 100'000, text.substr(0, 100'000));
  CheckSame(Contents("moved"), expected, "what was there before, in the end");
  return 0;
}
