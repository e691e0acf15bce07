// SPDX-License-Identifier: Apache-2.0
// What a workload in one service domain notices while the other one is killed again and again, 1 s
// after each recovery: its throughput, its longest operation, and how much of the processors was
// left to it. On an emulated machine of two processors the toolstack that makes a domain runs where
// the workload does, and the domain that boots runs where the workload's domain does, so most of a
// loss is processor time. The target is told met or missed; what is asserted is that no operation
// waits for the dead domain and that, in the long test, the workload keeps half of what is left to it.
#ifndef VIRTUOS_TESTS_FAULTS_CONTAINMENT_H_
#define VIRTUOS_TESTS_FAULTS_CONTAINMENT_H_

// The header is for C.
extern "C" {
#include <xenctrl.h>
}

#include <algorithm>
#include <map>
#include <string>

#include "tests/faults/domain.h"
#include "tests/system/files.h"

namespace vos::testing {

// What the workload tells, in memory it shares with the test.
struct WorkloadProgress {
  std::atomic<bool> stop;
  std::atomic<int64_t> operations;
  std::atomic<int64_t> longest;  // of those since it was set to 0, ms
};

class Workload {
 public:
  // body(): one operation. In a process of its own, so that its processor time is known.
  template <typename Body>
  explicit Workload(Body body)
      : progress_(static_cast<WorkloadProgress*>(
            mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    CHECK(progress_ != MAP_FAILED);
    process_ = Fork([&] {
      while (!progress_->stop) {
        const int64_t start = Milliseconds();
        body();
        progress_->operations++;
        const int64_t took = Milliseconds() - start;
        if (took > progress_->longest) progress_->longest = took;
      }
    });
  }
  ~Workload() {
    progress_->stop = true;
    Join(process_);
  }
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;

  WorkloadProgress& progress() { return *progress_; }

 private:
  WorkloadProgress* progress_;
  pid_t process_;
};

// Seconds of the primary's processors that programs have used, by their names; those of the kernel's
// threads together, and those of the toolstack's commands, which have ended, as "xl".
inline std::map<std::string, double> ProcessorTimes() {
  std::map<std::string, double> times;
  DIR* processes = opendir("/proc");
  CHECK(processes);
  while (const dirent* entry = readdir(processes)) {
    const std::string base = std::string("/proc/") + entry->d_name;
    const std::string text = ReadFile((base + "/stat").c_str());
    const size_t name = text.find('('), end = text.rfind(')');
    if (atoi(entry->d_name) == 0 || end == text.npos) continue;
    const std::string command = text.substr(name + 1, end - name - 1);
    int parent = 0;
    unsigned long long own[2] = {}, children[2] = {};
    sscanf(text.c_str() + end + 1,
           " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &parent, &own[0],
           &own[1], &children[0], &children[1]);
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    // Of the kernel's threads the second process is the parent.
    times[parent == 2 ? "kernel" : command] += static_cast<double>(own[0] + own[1]) / ticks;
    if (command == "vosd") times["xl"] += static_cast<double>(children[0] + children[1]) / ticks;
  }
  closedir(processes);
  return times;
}

// Seconds of processor time that a domain has used.
inline double DomainSeconds(unsigned domid) {
  static xc_interface* xen = xc_interface_open(nullptr, nullptr, 0);
  CHECK(xen);
  xc_domaininfo_t info = {};
  if (xc_domain_getinfo_single(xen, domid, &info) < 0) return 0;
  return static_cast<double>(info.cpu_time) / 1e9;
}

struct Interval {
  double rate;  // operations a second
  int64_t longest;
};

template <typename During>
Interval Measure(WorkloadProgress& progress, During during) {
  progress.longest = 0;
  const int64_t from = progress.operations, start = Milliseconds();
  during();
  const int64_t took = Milliseconds() - start;
  return {static_cast<double>(progress.operations - from) * 1000 / static_cast<double>(took),
          progress.longest};
}

// The victim is killed for so long; the workload is in the other domain.
template <typename Body>
void Contain(const char* victim, int seconds, int64_t longest_allowed, bool judge, Body body) {
  Workload workload(body);
  WorkloadProgress& progress = workload.progress();
  // Its fast path, caches, what the shim measures.
  Sleep(1'000);
  const int quiet_ms = std::max(seconds * 250, 2'000);
  const Interval before = Measure(progress, [&] { Sleep(quiet_ms); });
  int kills = 0;
  double booting = 0;
  std::map<std::string, double> used = ProcessorTimes();
  const int64_t start = Milliseconds();
  const Interval disturbed = Measure(progress, [&] {
    while (Milliseconds() - start < seconds * 1000) {
      const DomainState old = DomainNamed(victim);
      booting += kills ? DomainSeconds(old.domid) : 0;
      Kill("destroy", victim);
      kills++;
      // Looking is work, too.
      AwaitRecovery(old, 200);
      Sleep(1'000);
    }
  });
  const double took = static_cast<double>(Milliseconds() - start) / 1000;
  booting += DomainSeconds(DomainNamed(victim).domid);
  for (const auto& [name, seconds] : ProcessorTimes()) used[name] = seconds - used[name];
  double toolstack = 0;
  for (const char* name : {"vosd", "xl", "xenstored", "xenconsoled"}) toolstack += used[name];
  // What the last death left to do is none of a quiet machine.
  Sleep(3'000);
  const Interval after = Measure(progress, [&] { Sleep(quiet_ms); });

  const double quiet = (before.rate + after.rate) / 2;
  const double ratio = disturbed.rate / quiet;
  // Operations use one processor, then the other: the least that is left to them of both together.
  const double left = (1 - std::min(toolstack / took, 1.0)) * (1 - std::min(booting / took, 1.0));
  printf(
      "%d deaths of the %s domain in %.1f s: %.0f operations a second, %.0f and %.0f undisturbed: "
      "%.0f %%, target 90 %% %s\n"
      "  the toolstack had %.0f %% of the primary's processor, starting domains %.0f %% of theirs, "
      "which leaves at least %.0f %%\n"
      "  longest operation %lld ms, undisturbed %lld ms\n",
      kills, victim, took, disturbed.rate, before.rate, after.rate, 100 * ratio,
      ratio >= 0.9 ? "met" : "missed", 100 * toolstack / took, 100 * booting / took, 100 * left,
      static_cast<long long>(disturbed.longest),
      static_cast<long long>(std::max(before.longest, after.longest)));
  printf("  of the primary's processor:");
  for (const auto& [name, seconds] : used)
    if (seconds >= 0.01 * took) printf(" %s %.1f s", name.c_str(), seconds);
  printf("\n");
  if (disturbed.longest > longest_allowed)
    FAIL("an operation took %lld ms", static_cast<long long>(disturbed.longest));
  if (judge && ratio < 0.5 * left) FAIL("the workload waited for much more than processor time");
}

// Writes, reads and syncs of a file.
inline void ContainFiles(int seconds, int64_t longest_allowed, bool judge) {
  Put("file", Text(1 << 20, 1));
  sync();
  const Fd fd = Open("file", O_RDWR);
  unsigned number = 0;
  char block[4096] = "block";
  Contain("network", seconds, longest_allowed, judge, [&] {
    const off_t at = (number * 7 % 256) * sizeof(block);
    CHECK_EQ(pwrite(fd, block, sizeof(block), at), static_cast<ssize_t>(sizeof(block)));
    CHECK_EQ(pread(fd, block, sizeof(block), at), static_cast<ssize_t>(sizeof(block)));
    if (++number % 16 == 0) CHECK_OK(fsync(fd));
  });
}

// Messages over a stream, there and back.
inline void ContainStreams(int seconds, int64_t longest_allowed, bool judge) {
  const Pair pair = TcpPair(AF_INET);
  const pid_t echo = Fork([&] {
    char text[64];
    for (ssize_t size; (size = recv(pair.server, text, sizeof(text), 0)) > 0;)
      SendAll(pair.server, text, size);
  });
  Contain("storage", seconds, longest_allowed, judge, [&] {
    char text[64] = "message";
    SendAll(pair.client, text, sizeof(text));
    ReceiveAll(pair.client, text, sizeof(text));
  });
  CHECK_OK(shutdown(pair.client, SHUT_RDWR));
  Join(echo);
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_FAULTS_CONTAINMENT_H_
