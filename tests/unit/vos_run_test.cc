// SPDX-License-Identifier: Apache-2.0
// links: tools/vos/run.cc tools/vos/local_network.cc
// links: tools/vos/ping.cc tools/common/control_device.cc
// links: tools/common/kernel_state.cc tools/common/text.cc
// links: tools/common/text_file.cc
#include <gtest/gtest.h>

#include <string>

#include "tools/vos/ping.h"
#include "tools/vos/run.h"

namespace vos {
namespace {

const std::string kShimPath = kShim;

TEST(PreloadList, PutsTheShimFirst) {
  EXPECT_EQ(PreloadList("", true), kShimPath);
  EXPECT_EQ(PreloadList("/a.so", true), kShimPath + ":/a.so");
  EXPECT_EQ(PreloadList("/a.so:/b.so", true), kShimPath + ":/a.so:/b.so");
}

TEST(PreloadList, HoldsTheShimOnce) {
  EXPECT_EQ(PreloadList(kShimPath, true), kShimPath);
  EXPECT_EQ(PreloadList("/a.so:" + kShimPath + ":/b.so", true), kShimPath + ":/a.so:/b.so");
}

TEST(PreloadList, WithoutTheShimOthersStay) {
  EXPECT_EQ(PreloadList("", false), "");
  EXPECT_EQ(PreloadList(kShimPath, false), "");
  EXPECT_EQ(PreloadList("/a.so " + kShimPath + "::/b.so:", false), "/a.so:/b.so");
}

TEST(PingSummary, Percentiles) {
  std::vector<std::uint64_t> times;
  for (std::uint64_t i = 101; i > 0; --i) times.push_back(i * 10);
  EXPECT_EQ(PingSummary("network", times),
            "network: 101 no-ops, ns: min 10, mean 510, median 510, p90 910, p99 1000, max 1010\n");
  EXPECT_EQ(PingSummary("network", {5}),
            "network: 1 no-ops, ns: min 5, mean 5, median 5, p90 5, p99 5, max 5\n");
}

}  // namespace
}  // namespace vos
