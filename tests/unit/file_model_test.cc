// SPDX-License-Identifier: Apache-2.0
// The model checker itself: it finds nothing wrong about this machine's file system, finds each error that is
// injected, and does the same again for the same seed.
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "tests/model/checker.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/model/generator.h"

namespace vos::model {
namespace {

class FileModel : public ::testing::Test {
 protected:
  FileModel() {
    std::string name = ::testing::TempDir() + "/model-XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  ~FileModel() override { std::filesystem::remove_all(root_); }

  std::string Directory() {
    const std::string name = root_ + "/" + std::to_string(made_++);
    std::filesystem::create_directory(name);
    return name;
  }

 private:
  std::string root_;
  int made_ = 0;
};

TEST_F(FileModel, AgreesWithThisMachine) {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    const auto result = Check(
        {.directory = Directory(), .reference = Directory(), .seed = seed, .operations = 1'500});
    ASSERT_TRUE(result) << result.error();
    EXPECT_GE(result->operations, 1'500);
    EXPECT_GT(result->compared, result->operations);
    EXPECT_GT(result->rounds_at_once, 5);
  }
}

TEST_F(FileModel, FindsEveryInjectedError) {
  for (int i = 1; i < static_cast<int>(Breakage::kCount); i++) {
    const auto breakage = static_cast<Breakage>(i);
    SCOPED_TRACE(NameOf(breakage));
    const auto result =
        Check({.directory = Directory(), .seed = 7, .operations = 3'000, .breakage = breakage});
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().find("seed 7"), std::string::npos);
    EXPECT_NE(result.error().find("the last"), std::string::npos);
  }
}

TEST_F(FileModel, ASeedGivesTheSameAgain) {
  Generator one(5, true), same(5, true), other(6, true);
  for (Generator* generator : {&one, &same, &other}) generator->Beginning();
  bool different = false;
  for (int i = 0; i < 50; i++) {
    const Round a = one.Next(), b = same.Next(), c = other.Next();
    ASSERT_EQ(a.steps.size(), b.steps.size());
    for (size_t step = 0; step < a.steps.size(); step++)
      ASSERT_EQ(Describe(a.steps[step].operation), Describe(b.steps[step].operation));
    different |= c.steps.empty() || a.steps.empty() ||
                 Describe(a.steps[0].operation) != Describe(c.steps[0].operation);
  }
  EXPECT_TRUE(different);
}

// In a round at once no process touches a name another one touches.
TEST_F(FileModel, ProcessesAtOnceDoNotMeet) {
  Generator generator(9, true);
  generator.Beginning();
  for (int i = 0; i < 200; i++) {
    const Round round = generator.Next();
    if (!round.at_once) continue;
    std::map<int, int> owner;
    for (const Step& step : round.steps) {
      const Operation& o = step.operation;
      const auto touch = [&](int name) {
        EXPECT_EQ(owner.try_emplace(name, o.worker).first->second, o.worker) << Describe(o);
      };
      switch (o.kind) {
        case Kind::kRename:
        case Kind::kLink:
          touch(o.name2);
          [[fallthrough]];
        case Kind::kOpen:
        case Kind::kUnlink:
        case Kind::kResizeName:
        case Kind::kStatusName:
          touch(o.name);
          break;
        default:
          break;
      }
    }
  }
}

TEST_F(FileModel, TellsWhatDiffers) {
  Expectation expected;
  expected.result = {3, 0, "abc"};
  EXPECT_EQ(expected.Judge({3, 0, "abc"}), "");
  EXPECT_NE(expected.Judge({3, 0, "abd"}).find("number 2"), std::string::npos);
  EXPECT_NE(expected.Judge({-1, ENOENT, ""}).find("No such file"), std::string::npos);
  expected.in_range = true;
  expected.low = 5;
  expected.high = 7;
  EXPECT_EQ(expected.Judge({6, 0, ""}), "");
  EXPECT_NE(expected.Judge({8, 0, ""}), "");
  EXPECT_NE(expected.Judge({-1, ENXIO, ""}), "");
  expected.may_find_nothing = true;
  EXPECT_EQ(expected.Judge({-1, ENXIO, ""}), "");
}

}  // namespace
}  // namespace vos::model
