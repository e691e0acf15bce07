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

// The call fails so, not before `least` and not much after `most`, both in ms.
template <typename Call>
void FailsAfter(const char* what, int least, int most, int error, Call call) {
  const int64_t start = Milliseconds();
  errno = 0;
  const long result = call();
  const int64_t took = Milliseconds() - start;
  if (result != -1 || errno != error) FAIL("%s: %ld", what, result);
  if (took < least || took > most + kSlack)
    FAIL("%s: after %lld ms", what, static_cast<long long>(took));
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  Put("file", Text(100'000, 1));
  sync();
  CHECK_OK(mkdir("crowded", 0755));
  const Fd crowded(CHECK_OK(open("crowded", O_PATH)));
  CHECK_OK(mkdir("empty", 0755));
  const Fd empty(CHECK_OK(open("empty", O_PATH)));
  const auto during = [&] {
    const int64_t down = Milliseconds();
    // At the same time, as programs do.
    std::vector<pid_t> waiting;
    const auto wait = [&](const char* what, int least, int most, int error, auto call) {
      waiting.push_back(Fork([&] { FailsAfter(what, least, most, error, call); }));
    };
    struct stat status;
    wait("stat", kFileWait, kFileWait, EIO, [&] { return fstatat(empty, "nothing", &status, 0); });
    wait("open", kFileWait, kFileWait, EIO, [] { return open("file", O_RDONLY); });
    wait("socket", kSocketWait, kSocketWait, ENETDOWN,
         [] { return socket(AF_INET, SOCK_STREAM, 0); });
    // Linux lets one after another make a name in a directory: more of them than there is time for.
    for (int i = 0; i < 4; i++) {
      wait("mkdir", kFileWait, kFileOutage, EIO,
           [&] { return mkdirat(crowded, std::to_string(i).c_str(), 0755); });
    }
    for (const pid_t one : waiting) Join(one);
    Sleep(static_cast<int>(down + kFileOutage + 2'000 - Milliseconds()));
    // Nobody believes in another one any more.
    FailsAfter("a late stat", 0, 0, EIO, [&] { return stat("nothing", &status); });
  };
  Outage(during, {"network", "storage"});
  CheckSame(Contents("file"), Text(100'000, 1), "the file");
  CHECK_OK(mkdir("new", 0755));
  const Pair pair = TcpPair(AF_INET);
  CheckAlive(pair.client, pair.server);
  return 0;
}
