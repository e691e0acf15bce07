// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/silence.cc
#include <gtest/gtest.h>

#include "tools/vosd/silence.h"

namespace vos {
namespace {

using std::chrono::milliseconds;

class Silence : public ::testing::Test {
 protected:
  // Every processor in the same state.
  void Add(int at_ms, std::vector<ProcessorSample> processors, bool paused = false) {
    count_.Add({paused, std::move(processors)},
               SilenceCount::Clock::time_point(milliseconds(at_ms)));
  }
  static ProcessorSample Running(int used_ms) { return {false, milliseconds(used_ms)}; }
  static ProcessorSample Blocked(int used_ms) { return {true, milliseconds(used_ms)}; }

  SilenceCount count_;
};

TEST_F(Silence, TheFirstSampleCountsNothing) {
  EXPECT_EQ(count_.counted(), milliseconds(0));
  Add(1000, {Running(500)});
  EXPECT_EQ(count_.counted(), milliseconds(0));
}

TEST_F(Silence, RunningCounts) {
  Add(0, {Running(100)});
  Add(50, {Running(150)});
  Add(100, {Running(190)});
  EXPECT_EQ(count_.counted(), milliseconds(90));
}

TEST_F(Silence, WaitingForAProcessorDoesNotCount) {
  Add(0, {Running(100)});
  Add(1000, {Running(103)});
  EXPECT_EQ(count_.counted(), milliseconds(3));
}

TEST_F(Silence, IdlingCounts) {
  Add(0, {Blocked(100)});
  Add(70, {Blocked(100)});
  EXPECT_EQ(count_.counted(), milliseconds(70));
}

TEST_F(Silence, BlockedAtOneEndOnlyIsNoIdling) {
  Add(0, {Blocked(100)});
  Add(70, {Running(110)});
  Add(140, {Blocked(115)});
  EXPECT_EQ(count_.counted(), milliseconds(15));
}

TEST_F(Silence, APausedDomainIsNotBlamed) {
  Add(0, {Blocked(100)}, true);
  Add(70, {Blocked(100)}, true);
  EXPECT_EQ(count_.counted(), milliseconds(0));
}

TEST_F(Silence, TheProcessorThatHadTheLeastDecides) {
  Add(0, {Running(0), Running(0)});
  Add(100, {Running(100), Running(20)});
  EXPECT_EQ(count_.counted(), milliseconds(20));
}

TEST_F(Silence, NoMoreThanPassedCounts) {
  Add(0, {Running(0)});
  Add(10, {Running(500)});
  EXPECT_EQ(count_.counted(), milliseconds(10));
  Add(20, {Running(400)});
  EXPECT_EQ(count_.counted(), milliseconds(10));
}

TEST_F(Silence, BeginsAnew) {
  Add(0, {Running(0)});
  Add(10, {Running(10)});
  Add(20, {Running(20), Running(0)});
  EXPECT_EQ(count_.counted(), milliseconds(0));
  Add(30, {Running(30), Running(10)});
  EXPECT_EQ(count_.counted(), milliseconds(10));
  count_.Clear();
  EXPECT_EQ(count_.counted(), milliseconds(0));
}

}  // namespace
}  // namespace vos
