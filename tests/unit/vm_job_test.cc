// SPDX-License-Identifier: Apache-2.0
// links: tools/vm/job.cc tools/vm/command.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <expected>
#include <filesystem>
#include <string>

#include "tests/unit/temporary_directory.h"
#include "tools/vm/command.h"
#include "tools/vm/job.h"

namespace vos::vm {
namespace {

using ::testing::HasSubstr;

class Job : public ::testing::Test {
 protected:
  std::string Make(const std::string& name, const std::string& text) {
    here_.Write(name, text);
    return here_.path() / name;
  }

  std::expected<void, std::string> Pack() {
    std::filesystem::create_directory(here_.path() / "run");
    return PackJob(options_, here_.path() / "run", here_.path() / "job.tar");
  }

  // A file of the archive.
  std::string Packed(const std::string& name) {
    const auto text =
        CommandOutput({"tar", "-xOf", here_.path() / "job.tar", "./" + name}, kTarLimit);
    return text ? *text : text.error();
  }

  const TemporaryDirectory here_;
  Options options_;
};

TEST_F(Job, FileAndWhatIsPutLieTogether) {
  options_.command = {Make("a/run.sh", "run"), "word"};
  options_.put = {Make("b/data", "data"), Make("c/d/more", "more")};
  ASSERT_TRUE(Pack());
  EXPECT_EQ(options_.command[0], "./run.sh");
  EXPECT_EQ(Packed("run.sh"), "run");
  EXPECT_EQ(Packed("data"), "data");
  EXPECT_EQ(Packed("more"), "more");
}

TEST_F(Job, AnotherFileOfItsNameDoesNotRunInItsPlace) {
  options_.put = {Make("conf/run.sh", "wrong")};
  options_.command = {Make("run.sh", "right")};
  const auto packed = Pack();
  ASSERT_FALSE(packed);
  EXPECT_THAT(packed.error(), HasSubstr("conf/run.sh and "));
  EXPECT_THAT(packed.error(), HasSubstr("have one name"));
}

TEST_F(Job, TwoFilesOfOneNameAreNotPut) {
  options_.command = {"true"};
  options_.put = {Make("a/data", "one"), Make("b/data", "two")};
  EXPECT_FALSE(Pack());
}

TEST_F(Job, OneFileMayBeNamedTwice) {
  const std::string file = Make("run.sh", "run");
  options_.put = {file, here_.path() / "nowhere/../run.sh"};
  options_.command = {file};
  ASSERT_TRUE(Pack());
  EXPECT_EQ(options_.command[0], "./run.sh");
  EXPECT_EQ(Packed("run.sh"), "run");
}

TEST_F(Job, ACommandOfThePrimaryIsLeftAlone) {
  options_.command = {"/usr/bin/true"};
  options_.put = {Make("true", "not this one")};
  ASSERT_TRUE(Pack());
  EXPECT_EQ(options_.command[0], "/usr/bin/true");
}

}  // namespace
}  // namespace vos::vm
