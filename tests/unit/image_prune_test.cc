// SPDX-License-Identifier: Apache-2.0
// links: tools/vm/command.cc
//
// tools/image/prune-sets, as it is in the checkout that the test runs in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <string>

#include "tests/unit/temporary_directory.h"
#include "tools/vm/command.h"

namespace vos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kLimit{20};

class PruneSets : public ::testing::Test {
 protected:
  // A file that was used so long ago.
  void Make(const std::string& name, std::chrono::hours ago) {
    here_.Write(name, name);
    std::filesystem::last_write_time(here_.path() / name,
                                     std::filesystem::file_time_type::clock::now() - ago);
  }

  std::set<std::string> Left() {
    const auto ran = vm::CommandOutput({"tools/image/prune-sets", here_.path()}, kLimit);
    EXPECT_TRUE(ran) << ran.error();
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(here_.path())) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  const TemporaryDirectory here_;
};

TEST_F(PruneSets, NothingIsThere) { EXPECT_THAT(Left(), IsEmpty()); }

TEST_F(PruneSets, ArchivesUsedLastStay) {
  for (const int age : {3, 1, 6, 2, 5, 4}) {
    Make("rootfs-" + std::to_string(age) + ".tar", std::chrono::hours(age));
  }
  Make("rootfs-7.tar.new", std::chrono::hours(0));
  Make("rootfs.lock", std::chrono::hours(9));
  Make("vm-run.lock", std::chrono::hours(9));
  EXPECT_THAT(Left(), ElementsAre("rootfs-1.tar", "rootfs-2.tar", "rootfs-3.tar", "rootfs-4.tar",
                                  "rootfs.lock", "vm-run.lock"));
}

TEST_F(PruneSets, ImagesGoWithWhatTheyAreMadeOf) {
  for (const int age : {1, 2, 3, 4, 5}) {
    const std::string base = "rootfs-" + std::to_string(age) + ".img";
    Make(base, std::chrono::hours(age));
    Make(base + ".packages", std::chrono::hours(9));
  }
  for (const char* name : {"primary-4-abc.img", "primary-5-abc.img", "primary-5-abc.img.packages",
                           "primary-5-def.img.new", "storage-1.img", "network.cpio.gz", "lock"}) {
    Make(name, std::chrono::hours(9));
  }
  EXPECT_THAT(Left(), ElementsAre("lock", "network.cpio.gz", "primary-4-abc.img", "rootfs-1.img",
                                  "rootfs-1.img.packages", "rootfs-2.img", "rootfs-2.img.packages",
                                  "rootfs-3.img", "rootfs-3.img.packages", "rootfs-4.img",
                                  "rootfs-4.img.packages", "storage-1.img"));
}

}  // namespace
}  // namespace vos
