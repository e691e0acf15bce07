// SPDX-License-Identifier: Apache-2.0
// The storage domain's daemon is killed again and again while programs use files: the domain's first process starts it
// anew, and programs see a delay at most. The load is the model checker, so not one result may be wrong, and a
// file that is held open all the time.
// tier: fast
// boot: shared
// variants: trap shim
// time: 240
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "tests/faults/domain.h"
#include "tests/faults/storage_domain.h"
#include "tests/model/checker.h"

using namespace vos::testing;

constexpr int kKills = 8;

int main() {
  NeedRoot();
  Directory directory;
  const StorageDomain domain;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  const int before = atoi(domain.Told("restarts").c_str());

  const std::string text = Text(100'000, 41);
  Put("held", text);
  const Fd held = Open("held", O_RDWR);
  auto* stop = static_cast<std::atomic<bool>*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(stop != MAP_FAILED);
  const pid_t checker = Fork([&] {
    CHECK_OK(mkdir("model", 0755));
    int operations = 0;
    for (uint64_t seed = 1; !*stop; seed++) {
      vos::model::Settings settings;
      settings.directory = directory.path("model/" + std::to_string(seed));
      CHECK_OK(mkdir(settings.directory.c_str(), 0755));
      settings.seed = seed;
      settings.operations = 300;
      // Whether an exchange was done before the daemon died nobody knows: such a call gives EIO.
      settings.exchanges = false;
      const auto result = vos::model::Check(settings);
      if (!result) {
        printf("%s\n", result.error().c_str());
        FAIL("a result is wrong");
      }
      operations += result->operations;
    }
    printf("%d operations meanwhile\n", operations);
  });
  // Names alone, which all go through the daemon.
  const pid_t names = Fork([&] {
    CHECK_OK(mkdir("names", 0755));
    int i = 0;
    for (; !*stop; i++) {
      const std::string name = "names/" + std::to_string(i), other = name + "-moved";
      {
        const Fd fd = Open(name, O_RDWR | O_CREAT | O_EXCL);
        WriteAt(fd, name, 0);
      }
      CHECK_OK(link(name.c_str(), (name + "-link").c_str()));
      CHECK_OK(rename(name.c_str(), other.c_str()));
      CHECK(!Exists(name));
      CHECK_EQ(StatOf(other).st_nlink, 2);
      CheckSame(Contents(other), name, "a file under a new name");
      CHECK_OK(unlink(other.c_str()));
      CHECK_OK(mkdir(name.c_str(), 0700));
      CHECK_OK(rmdir(name.c_str()));
    }
    int found = 0;
    DIR* stream = opendir("names");
    while (readdir(stream)) found++;
    closedir(stream);
    CHECK_EQ(found, i + 2);
    printf("%d rounds of names\n", i);
  });

  WarmUp(held);
  for (int i = 0; i < kKills; i++) {
    // Soon after one another, and after a while.
    Sleep(i % 3 * 300);
    Kill("daemon", "storage");
    const int64_t begin = Milliseconds();
    // By the ring and the kernel's lanes alone, without the daemon.
    for (int round = 0; round < 20; round++) {
      CheckSame(ReadAt(held, 1'000, round * 4'000), text.substr(round * 4'000, 1'000), "held open");
      WriteAt(held, text.substr(50'000, 100), 50'000);
    }
    CHECK_OK(fsync(held));
    // And with it.
    Put("after-" + std::to_string(i), text.substr(0, 10 + i));
    CheckSame(Contents("after-" + std::to_string(i)), text.substr(0, 10 + i), "made after a kill");
    const int64_t took = Milliseconds() - begin;
    printf("kill %d: %ld ms\n", i, static_cast<long>(took));
    CHECK(took < 4 * kSoon);
  }
  *stop = true;
  Join(names);
  Join(checker);
  CHECK(atoi(domain.Told("restarts").c_str()) >= before + kKills);
  CheckSame(domain.Told("state"), "serving", "the domain's state");
  CheckSame(Contents("held"), text, "the file held open");
  return 0;
}
