// SPDX-License-Identifier: Apache-2.0
// The benchmarks inside the primary: guest BENCH VARIANT.
//   getppid         the cheapest system call
//   noop-kernel     a no-op by trap: ioctl on /dev/vos, a kernel lane
//   noop-user       a no-op on a lane of this process's own session, without a trap
//   floor           as floor-host, with the poller in the network domain
//   switch-yield    two processes alternate on one processor: what a ping-pong there costs at least
//   ready-1         a send of one byte, or a receive of one that is there
//   tcp-pingpong-N  N bytes there and back between two processes over loopback
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <string_view>

#include "kernel/virtuos/abi/control.h"
#include "kernel/virtuos/common/lane.h"
#include "tools/bench/counts.h"
#include "tools/bench/samples.h"

namespace vos::bench {
namespace {

constexpr int kSystemCalls = 5'000;
constexpr int kNoops = 20'000;
constexpr int kKernelNoops = 3'000;
constexpr int kPingPongs = 2'000;
constexpr int kSwitches = 2'000;
constexpr int kReadyCalls = 2'000;
// How long a completion may take before it is asleep or lost.
constexpr int kSpins = 2'000'000;

[[noreturn]] void Die(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

void KernelNoop(const char* variant) {
  const int fd = open("/dev/vos", O_RDWR | O_CLOEXEC);
  if (fd < 0) Die("/dev/vos");
  MeasureCounted(kWarmUp, "noop-kernel", variant, kKernelNoops, [&] {
    vos_noop noop = {};
    noop.domain = VOS_DOMAIN_NETWORK;
    noop.count = 1;
    if (ioctl(fd, VOS_IOC_NOOP, &noop) < 0) Die("no-op");
  });
}

// This process's session and its first lane.
class Session {
 public:
  Session() {
    vos_enter enter = {};
    enter.abi_version = VOS_ABI_VERSION;
    enter.domain = VOS_DOMAIN_NETWORK;
    if (Call(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter)) < 0) Die("session");
    char* extent =
        reinterpret_cast<char*>(enter.base) + std::size_t{VOS_MAP_EXTENT(0)} * VOS_PAGE_SIZE;
    c_ = reinterpret_cast<vos_extent_c*>(extent);
    s_ = reinterpret_cast<vos_extent_s*>(extent + VOS_PAGE_SIZE);
    vos_lane_position_reset(&position_);
  }

  // Publishes a no-op; `word` is its argument.
  void Submit(std::uint64_t word) {
    vos_request request = {};
    request.op = VOS_OP_NOP;
    request.fd = -1;
    request.arg.plain.word[0] = word;
    vos_lane_publish(&lane_c().request[position_.entry], &request, position_.turn);
    if (vos_lane_needs_doorbell(&lane_s().status)) {
      vos_store_release(&c_->doorbell[0], static_cast<std::uint8_t>(c_->doorbell[0] + 1));
      vos_full_barrier();
      if (vos_load(&s_->active[vos_load(&lane_s().status.poller) % VOS_MAX_POLLERS]) == 0)
        Call(VOS_CALL_KICK, kDomain);
    }
  }

  void Reap() {
    const vos_completion* slot = &lane_s().completion[position_.entry];
    int spins = 0;
    while (!vos_lane_completed(slot, position_.turn))
      if (++spins == kSpins) Sleep();
    vos_completion copy;
    vos_lane_copy_completion(&copy, slot);
    if (copy.res != 0) {
      fprintf(stderr, "the no-op gave %lld\n", static_cast<long long>(copy.res));
      exit(1);
    }
    vos_lane_advance(&position_, VOS_USER_LANE_DEPTH);
  }

  vos_user_lane_c& lane_c() { return c_->lane[0]; }
  vos_user_lane_s& lane_s() { return s_->lane[0]; }

 private:
  static long Call(unsigned long op, unsigned long argument) {
    return syscall(SYS_prctl, PR_VIRTUOS, op, argument, 0, 0);
  }
  void Sleep() {
    const std::uint64_t which = kDomain | static_cast<std::uint64_t>(position_.entry) << 8 |
                                static_cast<std::uint64_t>(position_.turn) << 32;
    while (Call(VOS_CALL_WAIT, which) < 0)
      if (errno != EINTR) Die("waiting for a no-op");
  }

  // Lane 0 of the session with the network domain, as the calls name it.
  static constexpr std::uint64_t kDomain = std::uint64_t{VOS_DOMAIN_NETWORK} << 16;

  vos_extent_c* c_;
  vos_extent_s* s_;
  vos_lane_position position_;
};

void UserNoop(const char* variant) {
  Session session;
  MeasureCounted(kWarmUp, "noop-user", variant, kNoops, [&] {
    session.Submit(0);
    session.Reap();
  });
}

// A no-op with a number as its argument asks the poller for that many rounds: it waits for the
// control line's last word to count up and answers in the status line's last word. Kernels made
// without this facility just complete the no-op.
void CacheLineFloor(const char* variant) {
  constexpr std::uint32_t kRounds = 20'000;
  constexpr std::uint64_t kPatience = 1'000'000'000;
  Session session;
  for (int i = 0; i < kWarmUp; i++) {
    session.Submit(0);
    session.Reap();
  }
  auto* there = &session.lane_c().control.unused[14];
  auto* back = &session.lane_s().status.unused[12];
  const Clock clock;
  std::vector<double> samples;
  session.Submit(kRounds);
  for (std::uint32_t round = 1; round <= kRounds; round++) {
    const std::uint64_t start = Clock::Now();
    vos_store_release(there, round);
    while (vos_load_acquire(back) != round) {
      if (clock.Since(start) > kPatience) {
        fprintf(stderr, "floor: this kernel has no trivial poller\n");
        exit(77);
      }
    }
    samples.push_back(clock.Since(start));
  }
  session.Reap();
  Print("floor", variant, std::move(samples));
}

void Transfer(int fd, char* buffer, std::size_t size, bool out) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = out ? send(fd, buffer + done, size - done, MSG_NOSIGNAL)
                              : recv(fd, buffer + done, size - done, 0);
    if (count <= 0) {
      // The end of the stream is the end of the echo.
      if (count == 0 && !out) _exit(0);
      Die("ping-pong");
    }
    done += count;
  }
}

void SwitchYield(const char* variant) {
  auto* turn =
      static_cast<std::atomic<int>*>(mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (turn == MAP_FAILED) Die("mmap");
  const pid_t other = fork();
  if (other == 0) {
    for (;; sched_yield())
      if (turn->load() == 1) turn->store(0);
  }
  MeasureCounted(kWarmUp, "switch-yield", variant, kSwitches, [&] {
    turn->store(1);
    while (turn->load() != 0) sched_yield();
  });
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
}

// Two ends of one connection.
struct Connection {
  int client, server;
};

Connection Connect() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, name, length) < 0 || listen(listener, 1) < 0 ||
      getsockname(listener, name, &length) < 0 || connect(client, name, length) < 0)
    Die("connecting");
  const int server = accept(listener, nullptr, nullptr), on = 1;
  for (int fd : {client, server}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  close(listener);
  return {client, server};
}

void ReadyCalls(const char* variant) {
  const Connection tcp = Connect();
  char byte = 'r';
  for (int i = 0; i < kWarmUp; i++) {
    if (send(tcp.client, &byte, 1, 0) != 1 || recv(tcp.server, &byte, 1, 0) != 1 ||
        send(tcp.server, &byte, 1, 0) != 1 || recv(tcp.client, &byte, 1, 0) != 1)
      Die("ready-1");
  }
  const std::vector<char> ready((kWarmUp + kReadyCalls) / 2, 'r');
  if (send(tcp.client, ready.data(), ready.size(), 0) != static_cast<ssize_t>(ready.size()))
    Die("ready-1");
  for (int queued = 0; queued < static_cast<int>(ready.size());)
    if (ioctl(tcp.server, FIONREAD, &queued) < 0) Die("ready-1");
  bool out = false;
  MeasureCounted(kWarmUp, "ready-1", variant, kReadyCalls, [&] {
    const ssize_t done = out ? send(tcp.server, &byte, 1, 0) : recv(tcp.server, &byte, 1, 0);
    if (done != 1) Die("ready-1");
    out = !out;
  });
}

void PingPong(const char* bench, const char* variant, std::size_t size) {
  const auto [client, server] = Connect();
  std::vector<char> buffer(size, 'p');
  const pid_t echo = fork();
  if (echo == 0) {
    close(client);
    for (;;) {
      Transfer(server, buffer.data(), size, false);
      Transfer(server, buffer.data(), size, true);
    }
  }
  close(server);
  MeasureCounted(kWarmUp, bench, variant, kPingPongs, [&] {
    Transfer(client, buffer.data(), size, true);
    Transfer(client, buffer.data(), size, false);
  });
  close(client);
  waitpid(echo, nullptr, 0);
}

}  // namespace
}  // namespace vos::bench

int main(int count, char** arguments) {
  using namespace vos::bench;
  if (count != 3) {
    fprintf(stderr, "usage: guest BENCH VARIANT\n");
    return 2;
  }
  const std::string_view bench = arguments[1];
  const char* variant = arguments[2];
  constexpr std::string_view kPingPong = "tcp-pingpong-";
  if (bench == "getppid") {
    MeasureCounted(kWarmUp, "getppid", variant, kSystemCalls, [] { syscall(SYS_getppid); });
  } else if (bench == "noop-kernel") {
    KernelNoop(variant);
  } else if (bench == "noop-user") {
    UserNoop(variant);
  } else if (bench == "floor") {
    CacheLineFloor(variant);
  } else if (bench == "switch-yield") {
    SwitchYield(variant);
  } else if (bench == "ready-1") {
    ReadyCalls(variant);
  } else if (bench.starts_with(kPingPong)) {
    PingPong(arguments[1], variant, strtoul(arguments[1] + kPingPong.size(), nullptr, 10));
  } else {
    fprintf(stderr, "no such benchmark\n");
    return 2;
  }
  return 0;
}
