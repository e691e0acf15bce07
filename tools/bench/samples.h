// SPDX-License-Identifier: Apache-2.0
// What the benchmark programs share: a clock, samples, and the line that tells the result.
#ifndef VIRTUOS_TOOLS_BENCH_SAMPLES_H_
#define VIRTUOS_TOOLS_BENCH_SAMPLES_H_

#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

namespace vos::bench {

inline std::uint64_t Time() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Times by the time-stamp counter, whose rate is measured once: reading the clock may cost a trap.
class Clock {
 public:
  Clock() {
    const std::uint64_t start = Time(), cycles = __rdtsc();
    std::uint64_t now;
    while ((now = Time()) - start < kCalibration) continue;
    ns_per_cycle_ = static_cast<double>(now - start) / static_cast<double>(__rdtsc() - cycles);
  }
  static std::uint64_t Now() { return __rdtsc(); }
  double Nanoseconds(std::uint64_t cycles) const {
    return static_cast<double>(cycles) * ns_per_cycle_;
  }
  double Since(std::uint64_t start) const { return Nanoseconds(__rdtsc() - start); }

 private:
  static constexpr std::uint64_t kCalibration = 100'000'000;
  double ns_per_cycle_;
};

// Prints "BENCH VARIANT ns N MIN MEDIAN P90 P99 MAX", tools/bench/report's input.
inline void Print(const char* bench, const char* variant, std::vector<double> samples) {
  std::ranges::sort(samples);
  const auto at = [&](double part) {
    return samples[static_cast<std::size_t>(part * static_cast<double>(samples.size() - 1))];
  };
  std::printf("%s %s ns %zu %.1f %.1f %.1f %.1f %.1f\n", bench, variant, samples.size(), at(0),
              at(0.5), at(0.9), at(0.99), at(1));
  std::fflush(stdout);
}

inline constexpr int kWarmUp = 200;

}  // namespace vos::bench

#endif  // VIRTUOS_TOOLS_BENCH_SAMPLES_H_
