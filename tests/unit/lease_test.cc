// SPDX-License-Identifier: Apache-2.0
// links: tools/common/lease.cc tools/common/text.cc
// Leases as a network domain tells them: read as they are meant, written alike, anything else refused.
#include "tools/common/lease.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace vos {
namespace {

constexpr char kUsual[] = "eth0 10.0.2.15/24 10.0.2.255 10.0.2.2 1795400000";

TEST(Lease, IsReadAndWritten) {
  const auto lease = ParseLease(kUsual);
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(*lease, (Lease{.interface = "eth0",
                           .address = "10.0.2.15",
                           .prefix = 24,
                           .broadcast = "10.0.2.255",
                           .router = "10.0.2.2",
                           .until = 1795400000}));
  EXPECT_EQ(FormatLease(*lease), kUsual);
}

TEST(Lease, WithoutRouterAndBroadcast) {
  const auto lease = ParseLease("eth0 192.168.1.7/32 - - 18446744073709551615\n");
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->broadcast, "");
  EXPECT_EQ(lease->router, "");
  EXPECT_EQ(lease->until, 18446744073709551615u);
  EXPECT_EQ(ParseLease(FormatLease(*lease)), lease);
}

TEST(Lease, RefusesWhatIsNone) {
  for (const char* const text :
       {"", "eth0", "eth0 10.0.2.15 10.0.2.255 10.0.2.2 1", "eth0 10.0.2.15/0 - - 1",
        "eth0 10.0.2.15/33 - - 1", "eth0 10.0.2/24 - - 1", "eth0 10.0.2.15/24 - - -1",
        "eth0 10.0.2.15/24 - - 18446744073709551616", "eth0 fec0::3/64 - - 1",
        "eth0 10.0.2.15/24 - 10.0.2.2 1 more", "../eth0 10.0.2.15/24 - - 1",
        "an-interface-of-a-long-name 10.0.2.15/24 - - 1", "eth0 10.0.2.15/24 x - 1",
        "eth0 10.0.2.15/24 - $(x) 1", "eth0 10.0.2.15/+24 - - 1",
        // Of no host, of another network, of somebody else.
        "eth0 127.0.0.1/8 - - 1", "eth0 0.0.0.1/8 - - 1", "eth0 224.0.0.1/8 - - 1",
        "eth0 255.255.255.255/32 - - 1", "eth0 10.0.2.15/7 - - 1", "eth0 10.0.2.15/24 10.0.2.2 - 1",
        "eth0 10.0.2.15/24 - 10.0.3.2 1", "eth0 10.0.2.0/24 - - 1", "eth0 10.0.2.255/24 - - 1",
        "eth0 10.0.2.15/24 - 10.0.2.255 1", "eth0 10.0.2.15/24 - 10.0.2.15 1",
        "eth0 10.0.2.15/32 - 10.0.2.2 1", "eth0 010.0.2.15/24 - - 1"}) {
    EXPECT_FALSE(ParseLease(text).has_value()) << text;
  }
}

// Whatever a domain writes, what is handed on is one line of five words.
TEST(Lease, OfGarbage) {
  std::minstd_rand random(1);
  int leases = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kUsual;
    for (unsigned change = 0; change < 1 + random() % 3; ++change) {
      text[random() % text.size()] = static_cast<char>(random());
    }
    const auto lease = ParseLease(text);
    if (!lease) continue;
    ++leases;
    const std::string again = FormatLease(*lease);
    EXPECT_EQ(again.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyz"
                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ./- "),
              std::string::npos)
        << again;
    EXPECT_EQ(ParseLease(again), lease);
  }
  EXPECT_GT(leases, 0);
}

}  // namespace
}  // namespace vos
