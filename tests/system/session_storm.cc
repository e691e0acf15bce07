// SPDX-License-Identifier: Apache-2.0
// More processes than there can be sessions: 2,048 at once. As many as there may be get one, the
// others are refused at once, every one of them has a connection that works, and afterwards nothing
// is left. An ordinary user has a limit of its own.
// tier: long
// boot: own
// time: 300
#include <grp.h>
#include <sys/prctl.h>

#include <fstream>

#include "kernel/virtuos/abi/virtuos.h"
#include "testing.h"

using namespace vos::testing;

namespace {

constexpr int kProcesses = 2048;
constexpr int kUserProcesses = 300;
constexpr int kUserSessions = 256;   // docs/support.md, limits
constexpr int kCloseLimit = 60'000;  // of a thousand sessions

long Counter(const std::string& name) {
  std::ifstream stats("/sys/kernel/debug/virtuos/stats");
  long value;
  for (std::string word; stats >> word >> value;)
    if (word == name) return value;
  FAIL("there is no counter %s", name.c_str());
}

// What a process found out, one byte each: 'y' session, 'n' refused in time, 'l' refused late, '?'.
char Enter() {
  vos_enter enter = {};
  enter.abi_version = VOS_ABI_VERSION;
  enter.domain = VOS_DOMAIN_NETWORK;
  const int64_t start = Milliseconds();
  if (syscall(SYS_prctl, PR_VIRTUOS, VOS_CALL_ENTER, &enter, 0, 0) == 0) return 'y';
  if (errno != ENOBUFS && errno != ENOMEM) return '?';
  return Milliseconds() - start < kSoon ? 'n' : 'l';
}

// How many of the processes have a session, all of them at the same time.
template <typename Become>
int CountSessions(int processes, Become become) {
  std::vector<pid_t> children;
  int ready[2], go[2];
  CHECK_OK(pipe(ready));
  CHECK_OK(pipe(go));
  for (int i = 0; i < processes; i++)
    children.push_back(Fork([&] {
      close(go[1]);
      become();
      const Pair own = TcpPair(kFamilies[i % 2]);
      const char entered = Enter();
      CheckAlive(own.client, own.server);
      CHECK_EQ(write(ready[1], &entered, 1), 1);
      char end;
      CHECK_EQ(read(go[0], &end, 1), 0);
    }));
  int sessions = 0;
  for (int i = 0; i < processes; i++) {
    char entered;
    CHECK_EQ(read(ready[0], &entered, 1), 1);
    if (entered != 'y' && entered != 'n') FAIL("a process reports '%c'", entered);
    sessions += entered == 'y';
  }
  close(go[0]);
  close(go[1]);
  for (const pid_t child : children) Join(child);
  close(ready[0]);
  close(ready[1]);
  return sessions;
}

void AwaitRest(const char* counter, long expected) {
  for (const int64_t end = Milliseconds() + kCloseLimit; Counter(counter) != expected; Sleep(20))
    if (Milliseconds() > end) FAIL("%s is %ld, not %ld", counter, Counter(counter), expected);
}

}  // namespace

int main() {
  if (getuid() != 0) SKIP("needs root");
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &unlimited));
  const Pair witness = TcpPair(AF_INET);
  const long pages = Counter("primary.granted_pages");

  for (int round = 0; round < 2; round++) {
    const int all = CountSessions(kProcesses, [] {});
    printf("%d of %d processes had a session\n", all, kProcesses);
    CHECK(all > kUserSessions && all <= static_cast<int>(VOS_MAX_SESSIONS));
    AwaitRest("primary.granted_pages", pages);
    CHECK_EQ(Counter("network.sessions_opened"), Counter("network.sessions_closed"));
    CheckAlive(witness.client, witness.server);
  }

  const int of_user = CountSessions(kUserProcesses, [] {
    CHECK_OK(setgroups(0, nullptr));
    CHECK_OK(setresgid(65534, 65534, 65534));
    CHECK_OK(setresuid(65534, 65534, 65534));
  });
  printf("%d of %d processes of one user had a session\n", of_user, kUserProcesses);
  CHECK_EQ(of_user, kUserSessions);
  AwaitRest("primary.granted_pages", pages);
  CheckAlive(witness.client, witness.server);
  return 0;
}
