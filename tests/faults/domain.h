// SPDX-License-Identifier: Apache-2.0
// The life of a service domain, the network domain unless said otherwise, for tests that end it.
#ifndef VIRTUOS_TESTS_FAULTS_DOMAIN_H_
#define VIRTUOS_TESTS_FAULTS_DOMAIN_H_

#include <initializer_list>
#include <vector>

#include "tests/system/testing.h"

namespace vos::testing {

// A new domain serves within this, booting it included.
inline constexpr int kRecovered = 60'000;

struct DomainState {
  std::string name;
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

// The newest connection of a domain.
inline DomainState DomainNamed(const std::string& name) {
  const std::string text = ReadFile("/sys/kernel/debug/virtuos/state");
  const size_t at = text.find("domain=" + name + ' ');
  if (at == std::string::npos) SKIP("there is no such domain");
  const std::string line = text.substr(at, text.find('\n', at) - at);
  const auto value = [&](const std::string& key) {
    const size_t found = line.find(' ' + key + '=');
    CHECK(found != std::string::npos);
    return line.substr(found + key.size() + 2);
  };
  DomainState state;
  state.name = name;
  state.domid = atoi(value("domid").c_str());
  state.generation = atoi(value("generation").c_str());
  state.connected = value("state").starts_with("connected ");
  state.reason = value("reason");
  return state;
}

inline DomainState NetworkDomain() { return DomainNamed("network"); }

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

inline void Kill(const char* how = "destroy", const char* domain = "network") {
  Run({"vos", "kill", domain, "--how", how});
}

// The connection that stood `before` has failed.
inline DomainState AwaitFailure(const DomainState& before, int limit = kSoon) {
  for (const int64_t end = Milliseconds() + limit; Milliseconds() < end; Sleep(5)) {
    const DomainState now = DomainNamed(before.name);
    if (now.generation != before.generation || !now.connected) return now;
  }
  FAIL("the kernel does not notice the end of the domain within %d ms", limit);
}

// Another one is connected.
inline DomainState AwaitRecovery(const DomainState& before, int period = 20) {
  for (const int64_t end = Milliseconds() + kRecovered; Milliseconds() < end; Sleep(period)) {
    const DomainState now = DomainNamed(before.name);
    if (now.generation != before.generation && now.connected) return now;
  }
  FAIL("no new domain within %d ms", kRecovered);
}

// An outage: the domains are killed, `during` runs while there is none of them, then new ones are
// awaited.
template <typename During>
void Outage(During during, std::initializer_list<const char*> domains = {"network"}) {
  std::vector<DomainState> before;
  for (const char* domain : domains) {
    before.push_back(DomainNamed(domain));
    CHECK(before.back().connected);
  }
  SupervisorStopped supervisor;
  for (const char* domain : domains) Kill("destroy", domain);
  for (const DomainState& state : before) AwaitFailure(state);
  during();
  supervisor.Continue();
  for (const DomainState& state : before) AwaitRecovery(state);
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_FAULTS_DOMAIN_H_
