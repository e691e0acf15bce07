// SPDX-License-Identifier: Apache-2.0
// links: tools/vosd/disk_report.cc tools/common/text.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tools/vosd/disk_report.h"

namespace vos {
namespace {

using ::testing::HasSubstr;

TEST(DiskReport, WhatTheDomainWroteIsBoundedAndPrintable) {
  const DiskReport report =
      MakeDiskReport("ser\x1b[2Jving\n" + std::string(5000, 'x'), std::string(5000, '\xff'));
  EXPECT_EQ(report.state.size(), kMaxDiskState);
  EXPECT_THAT(report.state, HasSubstr("ser?[2Jving?x"));
  EXPECT_EQ(report.detail, std::string(kMaxDiskDetail, '?'));
  EXPECT_EQ(MakeDiskReport(" serving\n", ""), (DiskReport{"serving", ""}));
}

TEST(DiskReport, SettlesOnceNothingPassingIsToldAnyMore) {
  for (const char* state : {"", "no-disk", "checking"}) {
    EXPECT_FALSE(IsSettled({state, "half way"})) << state;
  }
  for (const char* state :
       {"serving", "read-only", "unprepared", "foreign", "corrupt", "nonsense"}) {
    EXPECT_TRUE(IsSettled({state, ""})) << state;
  }
}

TEST(DiskReport, ServedReadOnlyOrNot) {
  EXPECT_TRUE(IsServed({"serving", ""}));
  EXPECT_TRUE(IsServed({"read-only", ""}));
  for (const char* state : {"", "no-disk", "checking", "corrupt", "servings"}) {
    EXPECT_FALSE(IsServed({state, ""})) << state;
  }
}

TEST(DiskReport, Describe) {
  EXPECT_EQ(Describe({"foreign", "an xfs file system"}), "foreign: an xfs file system");
  EXPECT_EQ(Describe({"serving", ""}), "serving");
}

TEST(DiskReport, OnlyAnEmptyDiskIsPrepared) {
  EXPECT_EQ(RefusalToPrepare({"unprepared", "it is empty"}), "");
  const struct {
    const char* state;
    const char* problem;
  } cases[] = {
      {"serving", "prepared already"},
      {"read-only", "prepared already"},
      {"checking", "being made ready (the detail)"},
      {"corrupt", "damaged (the detail)"},
      {"foreign", "holds something else"},
      {"no-disk", "not found its disk"},
      {"", "not found its disk"},
      {"UNPREPARED", "cannot be used: UNPREPARED: the detail"},
  };
  for (const auto& [state, problem] : cases) {
    EXPECT_THAT(RefusalToPrepare({state, "the detail"}), HasSubstr(problem)) << state;
  }
}

}  // namespace
}  // namespace vos
