// SPDX-License-Identifier: Apache-2.0
// A disk that does not answer for longer than a mapping waits for it: the mapping fails, and nothing else. The write
// that it waited for is done once the disk answers, by the same domain, and the file can be mapped.
// tier: long
// boot: own
// variants: shim
// time: 180
#include "tests/faults/domain.h"
#include "tests/faults/storage_domain.h"
#include "tests/system/shim_counters.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  RestartWithFaultLayer();
  const StorageDomain domain;
  domain.Await("serving");
  CHECK_OK(chdir("/srv"));
  CHECK(InStorageDomain());
  Put("slow", Text(100'000, 53));
  const Fd file = Open("slow", O_RDWR | O_SYNC);
  WarmUp(file);
  const unsigned generation = DomainNamed("storage").generation;
  Turn map;
  const pid_t mapper = Fork([&] {
    map.Take();
    const int64_t begin = Milliseconds();
    errno = 0;
    CHECK(mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED);
    CHECK_EQ(errno, EIO);
    printf("EIO after %ld ms\n", static_cast<long>(Milliseconds() - begin));
  });
  const uint64_t before = FastFileCalls();
  domain.Order("hold");
  Thread writer([&] {
    WarmUp(file);
    WriteAt(file, "late", 0);
  });
  WaitUntilAsleep(writer.tid());
  map.Give();
  Join(mapper);
  domain.Order("fail nothing");
  writer.Join();
  CheckFastSince(before);
  const Mapping mapping(file, 4096, PROT_READ, MAP_SHARED);
  CHECK(Same(mapping.data(), "late", 4));
  CHECK_EQ(DomainNamed("storage").generation, generation);
  CHECK(DomainNamed("storage").connected);
  return 0;
}
