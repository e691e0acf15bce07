// SPDX-License-Identifier: Apache-2.0
// Data that was written and not synced when the storage domain died: each descriptor that was open says so once, at its
// next fsync or close; a file that nobody had open says it to the next one who has. What was synced is no error.
// tier: fast
// boot: shared
// variants: trap shim
// time: 150
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  for (const char* name : {"synced", "written", "closed", "mapped", "read", "datasync", "o_dsync"})
    Put(name, Text(20'000, 81));
  sync();
  const Fd synced = Open("synced", O_RDWR), reading = Open("read", O_RDONLY),
           datasync = Open("datasync", O_RDWR), o_dsync = Open("o_dsync", O_RDWR | O_DSYNC),
           mapped = Open("mapped", O_RDWR);
  Fd written = Open("written", O_RDWR);
  const int beside = Open("written", O_RDWR).Release();
  for (const int fd : {+synced, +datasync, +written, +reading}) WarmUp(fd);
  WriteAt(synced, "synced", 100);
  CHECK_OK(fsync(synced));
  WriteAt(datasync, "synced", 100);
  CHECK_OK(fdatasync(datasync));
  WriteAt(o_dsync, "synced", 100);
  WriteAt(written, "lost", 100);
  // Has it too, and ends without telling anybody.
  int end[2];
  CHECK_OK(pipe2(end, O_CLOEXEC));
  const pid_t sharing = Fork([&] {
    char byte;
    CHECK_EQ(read(end[0], &byte, 1), 1);
  });
  {
    const Fd closed = Open("closed", O_RDWR);
    WarmUp(closed);
    WriteAt(closed, "lost", 100);
  }

  Outage([&] {}, {"storage"});

  CHECK_OK(fsync(synced));
  CHECK_OK(fsync(datasync));
  CHECK_OK(fsync(o_dsync));
  CHECK_OK(fsync(reading));
  CheckSame(ReadAt(synced, 6, 100), "synced", "what was synced");
  CheckSame(ReadAt(datasync, 6, 100), "synced", "what was synced");
  CheckSame(ReadAt(o_dsync, 6, 100), "synced", "what was synced");

  // Each description once, whoever else has it; reading and writing go on.
  CHECK_EQ(write(end[1], "e", 1), 1);
  Join(sharing);
  CHECK_FAILS(fsync(written), EIO);
  CHECK_OK(fsync(written));
  WriteAt(written, "again", 100);
  CHECK_OK(fsync(written));
  CHECK_FAILS(close(beside), EIO);
  // Told once: who opens it now hears nothing.
  {
    const Fd later = Open("written", O_RDWR);
    CHECK_OK(fsync(later));
  }
  {
    const Fd closed = Open("closed", O_RDWR);
    CHECK_FAILS(fsync(closed), EIO);
    CHECK_OK(fsync(closed));
  }
  {
    const Fd closed = Open("closed", O_RDWR);
    CHECK_OK(fsync(closed));
  }

  // A page that was written by a mapping is written again, or an error.
  {
    const Mapping mapping(mapped, 20'000, PROT_READ | PROT_WRITE, MAP_SHARED);
    memcpy(mapping.data(), "by mapping", 10);
    Outage([&] {}, {"storage"});
    const int result = fsync(mapped);
    CHECK(result == 0 || errno == EIO);
    if (result == 0) CheckSame(ReadAt(mapped, 10, 0), "by mapping", "a dirty page");
    CHECK_OK(fsync(mapped));
  }
  CheckSame(ReadAt(written, 5, 100), "again", "written after the first outage and synced");
  CHECK_OK(fsync(written));
  return 0;
}
