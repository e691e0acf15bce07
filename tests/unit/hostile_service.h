// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TESTS_UNIT_HOSTILE_SERVICE_H_
#define VIRTUOS_TESTS_UNIT_HOSTILE_SERVICE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/unit/simulated_session.h"

namespace vos::shim {

// A service that answers anything at all: never more than was asked for, nowhere else. Makes 20,000
// calls of call(i, data, bytes, random), whose result and errno are those of a call on `bytes` bytes
// at `data`.
template <typename Call>
void CallHostileService(SimulatedSession& session, Call call) {
  constexpr std::size_t kGuard = 64, kLargest = 70'000, kSmall = 100;
  constexpr int kCalls = 20'000, kLastErrno = 133;
  std::mt19937_64 random(1);
  session.answer = [&](const vos_request&, vos_completion& completion, std::byte* chunk) {
    auto* const words = reinterpret_cast<vos_word*>(&completion);
    for (std::size_t i = 0; i < sizeof(completion) / 8; ++i) words[i] = random();
    switch (random() % 4) {
      case 0:
        completion.res = static_cast<std::int64_t>(random() % 100'000);
        break;
      case 1:
        completion.res = -static_cast<std::int64_t>(random() % 5000);
        break;
      case 2:
        completion.res = std::numeric_limits<std::int64_t>::max();
        break;
    }
    completion.flags = static_cast<std::uint16_t>(random() % 8);
    std::memset(chunk, static_cast<int>(random()), 256);
  };
  session.ServeInWait();
  const auto untouched = [](const char* guard) {
    return std::all_of(guard, guard + kGuard, [](char c) { return c == 'g'; });
  };
  std::vector<char> area(kGuard + kLargest + kGuard);
  for (int i = 0; i < kCalls; ++i) {
    const std::size_t bytes = random() % (i % 10 == 0 ? kLargest : kSmall);
    char* const data = area.data() + kGuard;
    std::fill_n(area.data(), kGuard, 'g');
    std::fill_n(data + bytes, kGuard, 'g');
    const ssize_t result = call(i, data, bytes, random);
    ASSERT_LE(result, static_cast<ssize_t>(bytes));
    ASSERT_GE(result, -1);
    if (result < 0) {
      ASSERT_TRUE(errno > 0 && errno <= kLastErrno) << errno;
    }
    ASSERT_TRUE(untouched(area.data()));
    ASSERT_TRUE(untouched(data + bytes));
  }
  session.answer = nullptr;
}

}  // namespace vos::shim

#endif  // VIRTUOS_TESTS_UNIT_HOSTILE_SERVICE_H_
