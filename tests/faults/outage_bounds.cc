// SPDX-License-Identifier: Apache-2.0
// Nobody starts another domain: each call that waits for one ends at its bound, with the error that
// the table says, whether it was in flight, sent during the outage or long after. Then a new one
// serves, and all works again.
// tier: long
// boot: shared
// variants: trap shim
// time: 300
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// VOSFS_RECOVER_WAIT, VOSFS_OUTAGE_LIMIT and the wait of sockets; and what an emulated machine adds.
constexpr int kFileWait = 30'000, kFileOutage = 60'000, kSocketWait = 10'000, kSlack = 8'000;

// The call fails so, not before `least` and not much after it.
template <typename Call>
void FailsAfter(const char* what, int least, int error, Call call) {
  const int64_t start = Milliseconds();
  errno = 0;
  const long result = call();
  const int64_t took = Milliseconds() - start;
  if (result != -1 || errno != error) FAIL("%s: %ld", what, result);
  if (took < least || took > least + kSlack)
    FAIL("%s: after %lld ms", what, static_cast<long long>(took));
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  Put("file", Text(100'000, 1));
  sync();
  const auto during = [] {
    const int64_t down = Milliseconds();
    // At the same time, as programs do.
    std::vector<pid_t> waiting;
    const auto wait = [&](const char* what, int least, int error, auto call) {
      waiting.push_back(Fork([&] { FailsAfter(what, least, error, call); }));
    };
    wait("stat", kFileWait, EIO, [] {
      struct stat status;
      return stat("nothing", &status);
    });
    wait("mkdir", kFileWait, EIO, [] { return mkdir("new", 0755); });
    wait("open", kFileWait, EIO, [] { return open("file", O_RDONLY); });
    wait("socket", kSocketWait, ENETDOWN, [] { return socket(AF_INET, SOCK_STREAM, 0); });
    for (const pid_t one : waiting) Join(one);
    Sleep(static_cast<int>(down + kFileOutage + 2'000 - Milliseconds()));
    // Nobody believes in another one any more.
    FailsAfter("a late stat", 0, EIO, [] {
      struct stat status;
      return stat("nothing", &status);
    });
  };
  Outage(during, {"network", "storage"});
  CheckSame(Contents("file"), Text(100'000, 1), "the file");
  CHECK_OK(mkdir("new", 0755));
  const Pair pair = TcpPair(AF_INET);
  CheckAlive(pair.client, pair.server);
  return 0;
}
