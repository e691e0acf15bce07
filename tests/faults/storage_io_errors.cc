// SPDX-License-Identifier: Apache-2.0
// Errors of the disk, injected below the domain's file system: a read gives EIO to the program that reads there, and to
// nobody else; a write that fails later is told by fsync, once to each descriptor; the data is right again when the
// disk is; a disk that does not answer for a while holds up nobody who does not need it; a disk that fails altogether
// makes the file system read-only, says so, and hangs nobody.
// tier: fast
// boot: own
// time: 180
#include <setjmp.h>

#include "tests/faults/storage_domain.h"
#include "tests/system/shim_counters.h"

using namespace vos::testing;

namespace {

sigjmp_buf after_fault;

bool LoadFaults(char* at) {
  if (sigsetjmp(after_fault, 1)) return true;
  *const_cast<volatile char*>(at);
  return false;
}

// A disk that answers nothing for a while holds up who waits for it, and who maps what is being written; nobody else.
void Hold() {
  const StorageDomain domain;
  for (const char* name : {"synced", "written", "other"}) {
    Put(name, Text(100'000, 52));
    const Fd fd = Open(name, O_RDWR);
    CHECK_OK(fsync(fd));
  }
  const Fd synced = Open("synced", O_RDWR), written = Open("written", O_RDWR | O_SYNC);
  WriteAt(synced, "later", 0);
  Shell("cp /bin/true program");
  // What is read below is in memory, and has been read since it was written: no access time changes.
  Sleep(100);
  Shell("./program");
  for (const char* name : {"synced", "written", "other"}) Contents(name);

  Turn map, look, looked;
  const pid_t mapper = Fork([&] {
    map.Take();
    const Mapping mapping(written, 4096, PROT_READ, MAP_SHARED);
    CHECK(Same(mapping.data(), "late", 4));
  });
  const pid_t bystander = Fork([&] {
    const Fd other = Open("other", O_RDWR);
    WarmUp(other);
    look.Take();
    CHECK_OK(fcntl(other, F_SETFL, O_APPEND));
    const Mapping mapping(other, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    Join(Fork([] {
      execl("./program", "program", nullptr);
      FAIL("the program cannot be executed");
    }));
    looked.Give();
  });
  const uint64_t before = FastFileCalls();
  std::atomic<bool> held = true;
  WarmUp(synced);
  domain.Order("hold");
  Thread writer([&] {
    WarmUp(written);
    WriteAt(written, "late", 0);
    CHECK(!held);
  });
  // Not in an ordinary system call, in which only a signal that kills would count.
  WaitUntilAsleep(writer.tid());
  map.Give();
  Sleep(300);
  look.Give();
  looked.Take();
  CHECK(!HasEnded(mapper));
  Join(bystander);

  // A sync changes nothing: what is being synced can be mapped.
  Thread syncer([&] {
    WarmUp(synced);
    CHECK_OK(fsync(synced));
    CHECK(!held);
  });
  WaitUntilAsleep(syncer.tid());
  {
    const Mapping mapping(synced, 4096, PROT_READ | PROT_WRITE, MAP_SHARED);
    CHECK(Same(mapping.data(), "later", 5));
  }
  held = false;
  domain.Order("fail nothing");
  writer.Join();
  syncer.Join();
  Join(mapper);
  CheckFastSince(before);
}

}  // namespace

int main(int argc, char**) {
  NeedRoot();
  if (argc > 1) {
    Hold();
    return 0;
  }
  RestartWithFaultLayer();
  const StorageDomain domain;
  domain.Await("serving");
  const std::string text = Text(100'000, 51);
  CHECK_OK(mkdir("/srv/errors", 0755));
  CHECK_OK(chdir("/srv/errors"));
  CHECK(InStorageDomain());
  for (const char* name : {"victim", "bystander", "direct"}) {
    Put(name, text);
    const Fd fd = Open(name, O_RDWR);
    CHECK_OK(fsync(fd));
  }
  const Fd victim = Open("victim", O_RDWR), bystander = Open("bystander", O_RDWR);
  WarmUp(victim);

  // Reading.
  domain.Order("fail everything errors/victim");
  char buffer[4096];
  for (int round = 0; round < 3; round++) {
    CHECK_FAILS(pread(victim, buffer, sizeof(buffer), 50'000), EIO);
    CHECK_EQ(lseek(victim, 20'000, SEEK_SET), 20'000);
    CHECK_FAILS(read(victim, buffer, sizeof(buffer)), EIO);
    CheckSame(ReadAt(bystander, 100'000, 0), text, "a file beside it");
  }
  {
    Handle(SIGBUS, [](int) { siglongjmp(after_fault, 1); }, SA_NODEFER);
    Mapping mapping(victim, 4096, PROT_READ, MAP_SHARED, 4096 * 5);
    CHECK(LoadFaults(mapping.data()));
  }
  domain.Order("fail nothing");
  CheckSame(ReadAt(victim, 100'000, 0), text, "once the disk is well again");

  // Writing: it fails where it is waited for.
  const Fd second = Open("victim", O_RDWR);
  domain.Order("fail writes errors/victim");
  WriteAt(victim, std::string(4096, 'w'), 8192);
  CHECK_FAILS(fsync(victim), EIO);
  CHECK_FAILS(fsync(second), EIO);
  CHECK_OK(fsync(bystander));
  WriteAt(victim, std::string(4096, 'x'), 8192);
  CHECK_FAILS(fdatasync(victim), EIO);
  {
    const Fd synchronous = Open("victim", O_RDWR | O_SYNC);
    CHECK_FAILS(pwrite(synchronous, buffer, 4096, 16'384), EIO);
  }
  domain.Order("fail nothing");
  // Each is told of what failed since it last asked; what is written from then on is on the disk.
  fsync(victim);
  fsync(second);
  std::string expected = text;
  expected.replace(8192, 4096, std::string(4096, 'y'))
      .replace(16'384, 4096, std::string(4096, 'z'));
  WriteAt(victim, std::string(4096, 'y'), 8192);
  WriteAt(victim, std::string(4096, 'z'), 16'384);
  CHECK_OK(fsync(victim));
  CHECK_OK(fsync(second));
  domain.Order("forget-cache");
  CheckSame(ReadAt(victim, 100'000, 0), expected, "written once the disk was well again");

  // Around the cache.
  {
    const Fd direct = Open("direct", O_RDWR | O_DIRECT);
    void* memory = nullptr;
    CHECK_EQ(posix_memalign(&memory, 4096, 4096), 0);
    domain.Order("fail everything errors/direct");
    CHECK_FAILS(pread(direct, memory, 4096, 0), EIO);
    CHECK_FAILS(pwrite(direct, memory, 4096, 0), EIO);
    domain.Order("fail nothing");
    CHECK_EQ(pread(direct, memory, 4096, 0), 4096);
    CHECK(Same(memory, text.data(), 4096));
  }

  // With the fast path.
  Join(Fork([] {
    char self[PATH_MAX] = {};
    CHECK_OK(readlink("/proc/self/exe", self, sizeof(self) - 1));
    CHECK_OK(setenv("VOS_TEST_VARIANT", "shim", 1));
    execlp("vos", "vos", "run", "--", self, "hold", nullptr);
    FAIL("vos cannot be executed");
  }));

  // All of the disk: errors, and an end within bounds.
  CheckSame(domain.Told("state"), "serving", "the state before");
  domain.Order("fail everything 0 100000000000");
  // At the latest when the journal is committed, every five seconds, the file system gives up. What a call says
  // depends on what it finds in memory on its way.
  const int64_t begin = Milliseconds();
  for (int i = 0; domain.Told("state") != "read-only"; i++, Sleep(50)) {
    const int fd = open(("new-" + std::to_string(i)).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && pwrite(fd, buffer, sizeof(buffer), 0) >= 0 && fsync(fd) == 0) FAIL("synced");
    CHECK(errno == EIO || errno == EROFS);
    if (fd >= 0) close(fd);
    if (Milliseconds() - begin > 8 * kSoon) FAIL("the file system is not given up");
  }
  const std::string status = Output("vos status");
  if (status.find("read-only") == std::string::npos) FAIL("vos status: %s", status.c_str());
  return 0;
}
