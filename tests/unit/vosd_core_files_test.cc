// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/core_files.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/temporary_directory.h"
#include "tools/vosd/core_files.h"

namespace vos {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::chrono::system_clock::time_point At(int milliseconds) {
  return std::chrono::sys_days(std::chrono::year(2026) / 1 / 2) +
         std::chrono::milliseconds(milliseconds);
}

TEST(CoreFiles, KeepsTheLastOnes) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() / "a" / "b";
  const CoreFiles cores(path, "network");
  EXPECT_THAT(cores.List(), IsEmpty());
  for (int i = 0; i < 5; ++i) {
    const auto begun = cores.Begin(At(i * 700));
    ASSERT_TRUE(begun) << begun.error().message;
    std::ofstream(*begun) << "memory";
    const auto before = cores.List();
    const auto kept = cores.Keep(*begun);
    ASSERT_TRUE(kept) << kept.error().message;
    EXPECT_FALSE(fs::exists(*begun));
    EXPECT_EQ(cores.List().back(), *kept);
    EXPECT_EQ(cores.List().size(), std::min<std::size_t>(before.size() + 1, kMaxCoreFiles));
  }
  EXPECT_THAT(cores.List(), ElementsAre(path + "/network.20260102T000001.400.core",
                                        path + "/network.20260102T000002.100.core",
                                        path + "/network.20260102T000002.800.core"));
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_all);
}

TEST(CoreFiles, KnowsOnlyItsDomainsAndWhatIsComplete) {
  const TemporaryDirectory directory;
  for (const char* name : {"network.1.core", "network-standby.1.core", "network.1.core.new",
                           "network", "core", "network.text"}) {
    directory.Write(name, "");
  }
  const CoreFiles cores(directory.path(), "network");
  EXPECT_THAT(cores.List(), ElementsAre(directory.path().string() + "/network.1.core"));
  // What was being written when the last vosd was killed.
  ASSERT_TRUE(cores.Begin(At(0)));
  EXPECT_FALSE(fs::exists(directory.path() / "network.1.core.new"));
  EXPECT_TRUE(fs::exists(directory.path() / "network-standby.1.core"));
}

TEST(CoreFiles, TellsWhatIsWrong) {
  const TemporaryDirectory directory;
  directory.Write("file", "");
  EXPECT_FALSE(CoreFiles(directory.path() / "file", "network").Begin(At(0)));
  EXPECT_THAT(CoreFiles(directory.path() / "file", "network").List(), IsEmpty());
  EXPECT_FALSE(CoreFiles(directory.path(), "network").Keep(directory.path() / "x.core.new"));
}

}  // namespace
}  // namespace vos
