// SPDX-License-Identifier: Apache-2.0
// A ready 1-byte send or receive with the shim makes no system call and causes no event. Its calls
// are counted from outside, by tracing it, in small batches. Where a processor stood still for longer
// than lanes stay hot or processes spin, as those of an emulated machine do now and then, a call may
// ring or sleep; in every other batch there is none at all, and most batches are of that kind.
// tier: fast
// boot: shared
// variants: shim
#include <sys/mman.h>
#include <x86intrin.h>

#include <algorithm>
#include <fstream>

#include "testing.h"
#include "tools/common/system_call_trace.h"

using namespace vos::testing;

constexpr int kBatches = 50;
constexpr int kCalls = 20;  // of a batch, half of them receives
// Nothing is wrong with a lane that parks, a process that sleeps, after a pause of this length.
constexpr double kLateMicroseconds = 100;

// Written by the traced process.
struct Progress {
  std::atomic<int> batch;
  uint64_t longest_call[kBatches];   // cycles
  uint64_t longest_pause[kBatches];  // between two calls
};

static double CyclesPerMicrosecond() {
  timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  const uint64_t cycles = __rdtsc();
  double ns;
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
    ns = (now.tv_sec - start.tv_sec) * 1e9 + (now.tv_nsec - start.tv_nsec);
  } while (ns < 1e8);
  return static_cast<double>(__rdtsc() - cycles) / ns * 1000;
}

static long Counter(const std::string& name) {
  std::ifstream stats("/sys/kernel/debug/virtuos/stats");
  long value;
  for (std::string word; stats >> word >> value;)
    if (word == "network." + name) return value;
  FAIL("there is no counter %s", name.c_str());
}

static void Traced(Pair& tcp, Progress& progress) {
  const vos::TracedProcess self;
  char byte = 'x';
  // Earns the fast path, and waits until what is sent is ready.
  for (int i = 0; i < 200; i++) CheckAlive(tcp.client, tcp.server);
  constexpr int kWarmUp = 50;
  const std::string ready(kBatches * kCalls / 2 + kWarmUp, 'r');
  SendAll(tcp.client, ready.data(), ready.size());
  for (int queued = 0; queued < static_cast<int>(ready.size()); Sleep(10))
    CHECK_OK(ioctl(tcp.server, FIONREAD, &queued));
  // What the stop delays is over before a batch begins.
  self.Begin();
  for (int i = 0; i < kWarmUp; i++) CHECK_EQ(recv(tcp.server, &byte, 1, 0), 1);
  uint64_t end = __rdtsc();
  for (int batch = 0; batch < kBatches; batch++) {
    progress.batch = batch;
    for (int i = 0; i < kCalls; i++) {
      const uint64_t start = __rdtsc();
      const bool done = i % 2 ? send(tcp.server, "s", 1, 0) == 1
                              : recv(tcp.server, &byte, 1, 0) == 1 && byte == 'r';
      const uint64_t before = std::exchange(end, __rdtsc());
      if (!done) FAIL("call %d of batch %d", i, batch);
      progress.longest_pause[batch] = std::max(progress.longest_pause[batch], start - before);
      progress.longest_call[batch] = std::max(progress.longest_call[batch], end - start);
    }
  }
  progress.batch = kBatches;
  self.End();
}

int main() {
  Pair tcp = TcpPair(AF_INET);
  auto* progress = static_cast<Progress*>(
      mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  CHECK(progress != MAP_FAILED);
  progress->batch = -1;
  const double cycles = CyclesPerMicrosecond();
  const pid_t child = Fork([&] { Traced(tcp, *progress); });
  int calls[kBatches] = {};
  long events = 0;
  std::string others;
  const int status = CHECK_OK(vos::FollowSystemCalls(
      child,
      [&](bool begin) {
        events = begin ? Counter("events_ready") : Counter("events_ready") - events;
      },
      [&](long number) {
        const int batch = progress->batch;
        if (batch < 0 || batch >= kBatches) return;
        calls[batch]++;
        // The shim's own calls are those of VirtuOS.
        if (number != SYS_prctl) others += " " + std::to_string(number);
      }));
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
  int calm = 0, late_traps = 0;
  for (int batch = 0; batch < kBatches; batch++) {
    const double call = static_cast<double>(progress->longest_call[batch]) / cycles;
    const double pause = static_cast<double>(progress->longest_pause[batch]) / cycles;
    const bool late = call > kLateMicroseconds || pause > kLateMicroseconds;
    calm += !late;
    if (late) late_traps += calls[batch];
    if (calls[batch])
      printf("batch %d: %d system calls; longest call %.0f us, longest pause %.0f us\n", batch,
             calls[batch], call, pause);
    if (!late) CHECK_EQ(calls[batch], 0);
  }
  printf("%d of %d batches of %d calls undisturbed, without a system call; %d in the others\n",
         calm, kBatches, kCalls, late_traps);
  if (!others.empty()) FAIL("system calls other than the shim's own:%s", others.c_str());
  CHECK_EQ(events, 0);
  CHECK(calm >= kBatches / 2);
  return 0;
}
