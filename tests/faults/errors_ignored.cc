// SPDX-License-Identifier: Apache-2.0
// Programs that ignore every error, on sockets and on files, while both service domains die, one after the other and
// then together: no call of theirs hangs, and each of them goes on by itself.
// tier: fast
// boot: shared
// variants: trap shim
// time: 150
#include "tests/faults/domain.h"
#include "tests/system/files.h"

using namespace vos::testing;

// The longest wait of docs/failure-semantics.md, for a new storage domain, and some time to get to run.
constexpr int kLongestCall = 40'000;
// After it everybody is at work again.
constexpr int kGoesOn = 20'000;

enum Worker { kPositioned, kAppending, kNames, kReader, kServer, kClient, kDatagrams, kWorkers };
constexpr const char* kNamesOf[] = {"positioned", "appending", "names",    "reader",
                                    "server",     "client",    "datagrams"};

struct State {
  std::atomic<int64_t> since;    // the call that runs began, ms; 0: none
  std::atomic<int64_t> longest;  // ms
  std::atomic<int> succeeded, failed;
};
State* states;

// One call, whatever comes of it.
template <typename Call>
long Try(Worker worker, Call call) {
  State& state = states[worker];
  // The toolstack needs the processor too.
  Sleep(1);
  const int64_t start = Milliseconds();
  state.since = start;
  const long result = call();
  state.since = 0;
  const int64_t took = Milliseconds() - start;
  if (took > state.longest) state.longest = took;
  // Not how a reader is told of the end of a file, or of a stream.
  (result > 0 ? state.succeeded : state.failed)++;
  return result;
}

void Positioned() {
  const int fd = open("positioned", O_RDWR | O_CREAT, 0644);
  char block[4096] = "data";
  for (off_t at = 0;; at = (at + sizeof(block)) % 1'000'000) {
    Try(kPositioned, [&] { return pwrite(fd, block, sizeof(block), at); });
    Try(kPositioned, [&] { return pread(fd, block, sizeof(block), at); });
    Try(kPositioned, [&] { return fsync(fd) == 0 ? 1 : -1; });
  }
}

void Appending() {
  for (int i = 0;; i++) {
    const int fd = static_cast<int>(Try(kAppending, [&] {
      return open("appending", O_WRONLY | O_CREAT | O_APPEND | (i % 50 ? 0 : O_TRUNC), 0644);
    }));
    for (int n = 0; n < 10; n++) Try(kAppending, [&] { return write(fd, "a line\n", 7); });
    close(fd);
  }
}

void Names() {
  for (int i = 0;; i++) {
    const std::string name = "names/" + std::to_string(i % 10);
    Try(kNames, [&] { return mkdir(name.c_str(), 0755) == 0 ? 1 : -1; });
    Try(kNames, [&] { return rename(name.c_str(), "names/other") == 0 ? 1 : -1; });
    Try(kNames, [&] { return rmdir("names/other") == 0 ? 1 : -1; });
  }
}

void Reader() {
  const int fd = open("reader", O_RDONLY);
  char block[512];
  for (;;) {
    Try(kReader, [&] { return pread(fd, block, sizeof(block), 0); });
    struct stat status;
    Try(kReader, [&] { return stat("reader", &status) == 0 ? 1 : -1; });
    DIR* directory = opendir(".");
    Try(kReader, [&] { return directory && readdir(directory) ? 1 : -1; });
    if (directory) closedir(directory);
  }
}

void Server(int listener) {
  for (;;) {
    // Waiting for a client is no call that hangs.
    const int fd = accept(listener, nullptr, nullptr);
    char text[64];
    Try(kServer, [&] { return recv(fd, text, sizeof(text), 0); });
    Try(kServer, [&] { return send(fd, text, 5, 0); });
    close(fd);
  }
}

void Client(Address server) {
  for (;;) {
    const int fd = static_cast<int>(Try(kClient, [&] { return socket(AF_INET, SOCK_STREAM, 0); }));
    Try(kClient, [&] { return connect(fd, server.get(), server.size) == 0 ? 1 : -1; });
    Try(kClient, [&] { return send(fd, "hello", 5, 0); });
    char text[64];
    Try(kClient, [&] { return recv(fd, text, sizeof(text), 0); });
    close(fd);
  }
}

// To itself; a receive that waits for ever would be as on Linux, whose datagrams get lost too.
void Datagrams() {
  const Fd fd = Bound(AF_INET, SOCK_DGRAM);
  Address self = NameOf(fd);
  const timeval second = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
  for (char text[64];;) {
    Try(kDatagrams, [&] { return sendto(fd, "hello", 5, 0, self.get(), self.size); });
    Try(kDatagrams, [&] { return recv(fd, text, sizeof(text), 0); });
  }
}

// Nobody waits longer than anybody may, and all have been successful again.
void AwaitAll(const char* when) {
  int goals[kWorkers];
  for (int i = 0; i < kWorkers; i++) goals[i] = states[i].succeeded + 5;
  const int64_t end = Milliseconds() + kGoesOn;
  for (int i = 0; i < kWorkers; i++)
    for (; states[i].succeeded < goals[i]; Sleep(20))
      if (Milliseconds() > end) {
        const int64_t since = states[i].since;
        FAIL("%s, %s: does not go on; its call runs for %lld ms", when, kNamesOf[i],
             static_cast<long long>(since ? Milliseconds() - since : 0));
      }
}

void AwaitEnd(const DomainState& before) {
  for (const int64_t end = Milliseconds() + kRecovered; Milliseconds() < end; Sleep(20)) {
    for (int i = 0; i < kWorkers; i++) {
      const int64_t since = states[i].since;
      if (since && Milliseconds() - since > kLongestCall) FAIL("%s: a call hangs", kNamesOf[i]);
    }
    const DomainState now = DomainNamed(before.name);
    if (now.generation != before.generation && now.connected) return;
  }
  FAIL("no new %s domain", before.name.c_str());
}

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  states = static_cast<State*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(states != MAP_FAILED);
  signal(SIGPIPE, SIG_IGN);
  CHECK_OK(mkdir("names", 0755));
  Put("reader", Text(600, 3));
  Put("positioned", "");
  Put("appending", "");
  sync();
  const Fd listener = Listening(AF_INET);
  const Address server = NameOf(listener);
  const pid_t workers[] = {Fork(Positioned),
                           Fork(Appending),
                           Fork(Names),
                           Fork(Reader),
                           Fork([&] { Server(listener); }),
                           Fork([&] { Client(server); }),
                           Fork(Datagrams)};
  AwaitAll("in the beginning");
  const std::vector<const char*> rounds[] = {{"network"}, {"storage"}, {"network", "storage"}};
  for (const auto& round : rounds) {
    std::vector<DomainState> before;
    for (const char* name : round) before.push_back(DomainNamed(name));
    for (const char* name : round) Kill("destroy", name);
    for (const DomainState& one : before) AwaitEnd(one);
    AwaitAll(round.size() > 1 ? "after both" : round[0]);
  }
  for (int i = 0; i < kWorkers; i++) {
    printf("%s: %d calls succeeded, %d failed, the longest took %lld ms\n", kNamesOf[i],
           states[i].succeeded.load(), states[i].failed.load(),
           static_cast<long long>(states[i].longest));
    CHECK(states[i].longest <= kLongestCall);
    CHECK_OK(kill(workers[i], SIGKILL));
    int status;
    CHECK_OK(waitpid(workers[i], &status, 0));
    // None of them was ended by what it ignored.
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }
  return 0;
}
