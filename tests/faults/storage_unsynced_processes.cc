// SPDX-License-Identifier: Apache-2.0
// Many files, several processes, two deaths of the storage domain: of each file that had data nobody had synced each
// process that has it open is told once, by fsync or by close; a file nobody has open tells the first who opens it. No
// file whose data was synced tells anything.
// tier: fast
// boot: shared
// variants: trap shim
// time: 120
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

constexpr int kProcesses = 4, kFiles = 12, kClosed = 100, kRounds = 2;

std::string Name(const char* kind, int number) { return kind + std::to_string(number); }

// All of them are this far.
class Gate {
 public:
  Gate()
      : passed_(static_cast<std::atomic<int>*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    CHECK(passed_ != MAP_FAILED);
  }
  void Pass() {
    const int goal = (passed_->fetch_add(1) / (kProcesses + 1) + 1) * (kProcesses + 1);
    for (const int64_t end = Milliseconds() + 2 * kRecovered; *passed_ < goal; Sleep(5))
      if (Milliseconds() > end) FAIL("another process does not get here");
  }

 private:
  std::atomic<int>* passed_;
};

// A process with a descriptor of its own for each file, every other one of which it writes to.
void Work(int self, Gate& gate) {
  Fd files[kFiles];
  for (int round = 0; round < kRounds; round++) {
    for (int i = 0; i < kFiles; i++) {
      files[i] = Open(Name("shared", i), O_RDWR);
      if (i % 4 == 0) WarmUp(files[i]);
    }
    gate.Pass();  // opened
    for (int i = 0; i < kFiles; i++)
      if (i % 3 != 2) WriteAt(files[i], Text(3'000, self), self * 3'000);
    gate.Pass();  // written
    // The first of each three is synced by somebody who has it open, for all.
    for (int i = 0; i < kFiles; i += 3)
      if (i / 3 % kProcesses == self) CHECK_OK(fsync(files[i]));
    gate.Pass();  // synced
    gate.Pass();  // the domain has died
    for (int i = 0; i < kFiles; i++) {
      const bool lost = i % 3 == 1;
      if (lost && (self + i) % 2) {
        // By the end of the only descriptor, instead of by a sync.
        CHECK_FAILS(close(files[i].Release()), EIO);
        continue;
      }
      if (lost) CHECK_FAILS(fsync(files[i]), EIO);
      CHECK_OK(fsync(files[i]));
      CHECK_OK(close(files[i].Release()));
    }
    gate.Pass();  // all have been told
  }
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  for (int i = 0; i < kFiles; i++) Put(Name("shared", i), Text(20'000, i));
  for (int i = 0; i < kClosed; i++) Put(Name("closed", i), Text(2'000, i));
  sync();
  Gate gate;
  std::vector<pid_t> processes;
  for (int i = 0; i < kProcesses; i++) processes.push_back(Fork([&, i] { Work(i, gate); }));

  for (int round = 0; round < kRounds; round++) {
    gate.Pass();  // opened
    // Files that are closed again at once, every other one synced; and one whose writer is killed.
    for (int i = 0; i < kClosed; i++) {
      const Fd fd = Open(Name("closed", i), O_RDWR);
      WriteAt(fd, Text(1'000, 1'000 + i), 500);
      if (i % 2) CHECK_OK(fsync(fd));
    }
    {
      Turn written;
      const pid_t killed = Fork([&] {
        const Fd fd = Open("closed1", O_RDWR);
        WriteAt(fd, "written by somebody who is killed", 0);
        written.Give();
        pause();
      });
      written.Take();
      CHECK_OK(kill(killed, SIGKILL));
      int status;
      CHECK_OK(waitpid(killed, &status, 0));
    }
    gate.Pass();  // written
    gate.Pass();  // synced
    Outage([] {}, {"storage"});
    gate.Pass();  // the domain has died
    for (int i = 0; i < kClosed; i++) {
      const Fd fd = Open(Name("closed", i), O_RDWR);
      if (i % 2 == 0 || i == 1) CHECK_FAILS(fsync(fd), EIO);
      CHECK_OK(fsync(fd));
    }
    gate.Pass();  // all have been told
  }
  for (const pid_t process : processes) Join(process);
  // Whoever comes later hears nothing.
  for (int i = 0; i < kFiles; i++) CHECK_OK(fsync(Open(Name("shared", i), O_RDWR)));
  return 0;
}
