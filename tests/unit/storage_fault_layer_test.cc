// SPDX-License-Identifier: Apache-2.0
// links: service-domains/storage/fault_layer.cc
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "service-domains/storage/fault_layer.h"

namespace vos::storage {
namespace {

using ::testing::ElementsAre;

Target Passing(std::uint64_t first, std::uint64_t count) {
  return {{first, count}, "linear", "/dev/d " + std::to_string(first)};
}

TEST(FaultTable, PassesEverythingOnAtFirst) {
  EXPECT_THAT(FaultTable("/dev/d", 100, {}), ElementsAre(Passing(0, 100)));
}

TEST(FaultTable, FailsInTheRangesAlone) {
  EXPECT_THAT(FaultTable("/dev/d", 100, {{50, 10}, {10, 5}}),
              ElementsAre(Passing(0, 10), Target{{10, 5}, "error", ""}, Passing(15, 35),
                          Target{{50, 10}, "error", ""}, Passing(60, 40)));
  EXPECT_THAT(FaultTable("/dev/d", 100, {{0, 100}}), ElementsAre(Target{{0, 100}, "error", ""}));
}

TEST(FaultTable, CoversTheDiskOnceWhateverTheRanges) {
  const std::vector<std::vector<Range>> cases = {
      {{10, 20}, {15, 5}, {25, 10}}, {{90, 100}},        {{200, 5}},
      {{5, ~std::uint64_t{0}}},      {{0, 0}, {100, 0}}, {{7, 3}, {7, 3}},
  };
  for (const auto& ranges : cases) {
    std::uint64_t next = 0;
    for (const Target& target : FaultTable("/dev/d", 100, ranges)) {
      EXPECT_EQ(target.range.first, next);
      EXPECT_GT(target.range.count, 0u);
      next += target.range.count;
    }
    EXPECT_EQ(next, 100u);
  }
}

TEST(RangesOfFile, KnowWhereItsDataAre) {
  char pattern[] = "build/tests/ranges-XXXXXX";
  const FileDescriptor file(mkstemp(pattern));
  ASSERT_TRUE(file);
  unlink(pattern);
  const std::string data(40960, 'x');
  ASSERT_EQ(write(file.get(), data.data(), data.size()), 40960);
  const auto ranges = RangesOfFile(file.get());
  if (!ranges && ranges.error() == EOPNOTSUPP) GTEST_SKIP() << "not told here";
  ASSERT_TRUE(ranges);
  std::uint64_t sectors = 0;
  for (const Range& range : *ranges) sectors += range.count;
  EXPECT_EQ(sectors, 80u);
}

}  // namespace
}  // namespace vos::storage
