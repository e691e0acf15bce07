// SPDX-License-Identifier: Apache-2.0
// The life of the network domain, for tests that end it.
#ifndef VIRTUOS_TESTS_FAULTS_DOMAIN_H_
#define VIRTUOS_TESTS_FAULTS_DOMAIN_H_

#include "tests/system/testing.h"

namespace vos::testing {

// A new domain serves within this, booting it included.
inline constexpr int kRecovered = 60'000;

struct DomainState {
  unsigned domid = 0;
  unsigned generation = 0;
  bool connected = false;
  std::string reason;
};

inline std::string ReadFile(const char* path) {
  char text[4096] = {};
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (file < 0) return {};
  const ssize_t size = read(file, text, sizeof(text) - 1);
  return size > 0 ? std::string(text, size) : std::string();
}

// The newest connection of the network domain.
inline DomainState NetworkDomain() {
  const std::string text = ReadFile("/sys/kernel/debug/virtuos/state");
  const size_t at = text.find("domain=network ");
  if (at == std::string::npos) SKIP("there is no network domain");
  const std::string line = text.substr(at, text.find('\n', at) - at);
  const auto value = [&](const std::string& key) {
    const size_t found = line.find(' ' + key + '=');
    CHECK(found != std::string::npos);
    return line.substr(found + key.size() + 2);
  };
  DomainState state;
  state.domid = atoi(value("domid").c_str());
  state.generation = atoi(value("generation").c_str());
  state.connected = value("state").starts_with("connected ");
  state.reason = value("reason");
  return state;
}

inline void Run(std::vector<const char*> command) {
  command.push_back(nullptr);
  Join(Fork([&] {
    execvp(command[0], const_cast<char* const*>(command.data()));
    FAIL("%s cannot be executed", command[0]);
  }));
}

// While this exists no domain is restarted: the kernel is alone with the failure.
class SupervisorStopped {
 public:
  SupervisorStopped() : pid_(atoi(ReadFile("/run/virtuos/vosd.pid").c_str())) {
    if (pid_ <= 0) SKIP("vosd does not run");
    CHECK_OK(kill(pid_, SIGSTOP));
  }
  ~SupervisorStopped() { Continue(); }
  SupervisorStopped(const SupervisorStopped&) = delete;
  SupervisorStopped& operator=(const SupervisorStopped&) = delete;

  void Continue() {
    if (pid_ > 0) CHECK_OK(kill(pid_, SIGCONT));
    pid_ = 0;
  }

 private:
  pid_t pid_;
};

inline void Kill(const char* how = "destroy") { Run({"vos", "kill", "network", "--how", how}); }

// The connection that stood `before` has failed.
inline DomainState AwaitFailure(const DomainState& before, int limit = kSoon) {
  for (const int64_t end = Milliseconds() + limit; Milliseconds() < end; Sleep(5)) {
    const DomainState now = NetworkDomain();
    if (now.generation != before.generation || !now.connected) return now;
  }
  FAIL("the kernel does not notice the end of the domain within %d ms", limit);
}

// Another one is connected.
inline DomainState AwaitRecovery(const DomainState& before) {
  for (const int64_t end = Milliseconds() + kRecovered; Milliseconds() < end; Sleep(20)) {
    const DomainState now = NetworkDomain();
    if (now.generation != before.generation && now.connected) return now;
  }
  FAIL("no new domain within %d ms", kRecovered);
}

// An outage: the domain is killed, `during` runs while there is none, then a new one is awaited.
template <typename During>
void Outage(During during) {
  const DomainState before = NetworkDomain();
  CHECK(before.connected);
  SupervisorStopped supervisor;
  Kill();
  AwaitFailure(before);
  during();
  supervisor.Continue();
  AwaitRecovery(before);
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_FAULTS_DOMAIN_H_
