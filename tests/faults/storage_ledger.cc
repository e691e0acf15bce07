// SPDX-License-Identifier: Apache-2.0
// Programs write records and sync each while the storage domain is killed again and again; what they were told is kept
// outside the domain. Every acknowledged record is there, none twice, none torn; who was told of lost data writes the
// record again, and nobody waits for ever.
// tier: fast
// boot: shared
// variants: trap shim
// time: 360
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

constexpr int kKills = 3;
constexpr size_t kRecord = 64;

// Shared with the test: what was acknowledged, of each writer.
struct Ledger {
  std::atomic<bool> stop;
  std::atomic<int> positioned, appended, errors;
};

std::string Record(int number) {
  std::string text = "record " + std::to_string(number) + ' ';
  text.resize(kRecord - 1, 'a' + static_cast<char>(number % 26));
  return text + '\n';
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  auto* ledger = static_cast<Ledger*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(ledger != MAP_FAILED);
  Put("positioned", "");
  Put("appended", "");
  const Fd here = Open(".", O_RDONLY | O_DIRECTORY);
  CHECK_OK(syncfs(here));

  // A positioned write may be made again: after an error the same record at the same place.
  const pid_t positioned = Fork([&] {
    const Fd fd = Open("positioned", O_RDWR);
    for (int i = 0; !ledger->stop;) {
      const std::string record = Record(i);
      if (pwrite(fd, record.data(), kRecord, i * kRecord) == kRecord && fsync(fd) == 0)
        ledger->positioned = ++i;
      else
        ledger->errors++;
    }
  });
  // As redis does it: append, sync, and after an error look how far the file goes.
  const pid_t appended = Fork([&] {
    const Fd fd = Open("appended", O_WRONLY | O_APPEND);
    for (int i = 0; !ledger->stop;) {
      const std::string record = Record(i);
      if (write(fd, record.data(), kRecord) == kRecord && fdatasync(fd) == 0) {
        ledger->appended = ++i;
        continue;
      }
      ledger->errors++;
      const off_t size = StatOf(fd).st_size;
      CHECK(size >= static_cast<off_t>(i * kRecord));
      CHECK_OK(ftruncate(fd, i * kRecord));
    }
  });

  for (int kill = 0; kill < kKills; kill++) {
    const int before[] = {ledger->positioned, ledger->appended};
    Sleep(500);
    Outage([] {}, {"storage"});
    // Both go on.
    for (const int64_t end = Milliseconds() + kRecovered;
         ledger->positioned < before[0] + 20 || ledger->appended < before[1] + 20; Sleep(50))
      if (Milliseconds() > end) FAIL("the writers do not go on");
    printf("%d and %d records, %d errors\n", ledger->positioned.load(), ledger->appended.load(),
           ledger->errors.load());
  }
  // At most one error of a write and one of a sync for each writer and death.
  CHECK(ledger->errors <= 4 * kKills);
  // Once more at the end, so that what is read is what the disk has.
  ledger->stop = true;
  Join(positioned);
  Join(appended);
  Outage([] {}, {"storage"});
  std::string expected;
  for (int i = 0; i < ledger->positioned; i++) expected += Record(i);
  CheckSame(Contents("positioned").substr(0, expected.size()), expected, "the records");
  expected.clear();
  for (int i = 0; i < ledger->appended; i++) expected += Record(i);
  CheckSame(Contents("appended").substr(0, expected.size()), expected, "the appended records");
  return 0;
}
