// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/resolver.cc tools/common/text.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <sstream>
#include <string>

#include "tools/common/text.h"
#include "tools/vosd/resolver.h"

namespace vos {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Resolver, TakesWhatDhcpGives) {
  const auto configuration = MakeResolverConfiguration(
      "search lan example.org\nnameserver 10.0.2.3\nnameserver fec0::3\n");
  EXPECT_THAT(configuration.text, EndsWith("search lan example.org\nnameserver 10.0.2.3\n"
                                           "nameserver fec0::3\n"));
  EXPECT_EQ(configuration.rejected, 0u);
}

TEST(Resolver, NothingUsable) {
  EXPECT_EQ(MakeResolverConfiguration("").text, "");
  EXPECT_EQ(MakeResolverConfiguration("search lan\n").text, "");
  EXPECT_EQ(MakeResolverConfiguration("nameserver evil\n").text, "");
}

TEST(Resolver, LeavesOutWhatItDoesNotKnow) {
  const auto configuration = MakeResolverConfiguration(
      "options debug\nnameserver 10.0.2.3 10.0.2.4\nnameserver fe80::1%eth0\nsortlist 1.2.3.4\n"
      "search a;b -x x..y good $(x)\nnameserver 10.0.2.5\n");
  EXPECT_THAT(configuration.text, EndsWith("search good\nnameserver 10.0.2.5\n"));
  EXPECT_EQ(configuration.rejected, 8u);
}

TEST(Resolver, IsBounded) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += "nameserver 10.0.0." + std::to_string(i) + "\nsearch d" + std::to_string(i) + "\n";
  }
  text += "search " + std::string(64, 'a') + "\n";
  const auto configuration = MakeResolverConfiguration(text);
  EXPECT_THAT(configuration.text, HasSubstr("nameserver 10.0.0.2\n"));
  EXPECT_THAT(configuration.text, Not(HasSubstr("nameserver 10.0.0.3\n")));
  EXPECT_THAT(configuration.text, HasSubstr(" d5\n"));
}

TEST(Resolver, ReadsAServerOnce) {
  const auto configuration =
      MakeResolverConfiguration("nameserver 10.0.2.3\nnameserver 10.0.2.3\nnameserver 10.0.2.4\n");
  EXPECT_THAT(configuration.text, EndsWith(".\nnameserver 10.0.2.3\nnameserver 10.0.2.4\n"));
}

// Whatever a domain writes, only the three known kinds of line come out, in printable ASCII.
TEST(Resolver, AnyBytes) {
  std::mt19937 random(1);
  const std::string pieces[] = {"nameserver ", "search ",  "domain ", "10.0.2.3", "::1", "\n",
                                "\r",          "lan",      " ",       "\t",       "#",   ".",
                                "\x1b[2J",     "options ", "a-b.c_d", "%",        "\n\n"};
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (unsigned n = random() % 30; n > 0; --n) {
      if (random() % 8 == 0) {
        text += static_cast<char>(random());
      } else {
        text += pieces[random() % std::size(pieces)];
      }
    }
    std::istringstream lines(MakeResolverConfiguration(text).text);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_EQ(line, Printable(line, line.size()));
      EXPECT_TRUE(line.starts_with("nameserver ") || line.starts_with("search ") ||
                  line.starts_with("# From the network domain"))
          << line;
    }
  }
}

}  // namespace
}  // namespace vos
