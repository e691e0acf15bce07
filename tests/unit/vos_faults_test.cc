// SPDX-License-Identifier: Apache-2.0
// links: tools/vos/fault_model.cc tools/vos/fault_campaign.cc tools/vos/fault_record.cc
// links: tools/vos/fault_report.cc
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/temporary_directory.h"
#include "tools/vos/fault_campaign.h"
#include "tools/vos/fault_model.h"
#include "tools/vos/fault_record.h"
#include "tools/vos/fault_report.h"

namespace vos {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

CampaignSettings Settings(const std::string& mix, std::uint32_t rounds = 0,
                          const std::string& domain = "network", std::uint64_t seed = 7) {
  return {.domain = domain,
          .workload = FaultWorkloads(domain).front(),
          .mix = mix,
          .rounds = rounds,
          .seed = seed};
}

RoundRecord SomeRound(std::uint32_t number) {
  RoundRecord round;
  round.round = number;
  round.fault = {"panic", "after-fetch", 3, "data", 77};
  round.injected = round.activated = round.manifested = round.recovered = true;
  round.detected_by = "kernel";
  round.reason = "it crashed, \"says\" <Xen>";
  round.detection_ms = 1.5 + number;
  round.outage_ms = 3000;
  round.boot_ms = 2500;
  round.in_flight = {{"recv: ECONNRESET", 1}};
  round.errors = {{"recv: ECONNRESET", 1}, {"socket: ENETDOWN", 2}};
  round.longest_call_ms = 2900;
  return round;
}

std::set<std::string> Kinds(const std::vector<PlannedFault>& plan) {
  std::set<std::string> kinds;
  for (const PlannedFault& fault : plan) kinds.insert(fault.kind);
  return kinds;
}

std::set<std::string> Points(const std::vector<PlannedFault>& plan) {
  std::set<std::string> points;
  for (const PlannedFault& fault : plan) points.insert(fault.point);
  return points;
}

TEST(FaultModel, EveryPairIsValidOrHasAReason) {
  for (const std::string_view domain : kFaultDomains) {
    std::size_t refused = 0;
    for (const FaultKind& kind : FaultKinds()) {
      for (const FaultPoint& point : FaultPoints()) refused += !WhyNot(domain, kind, point).empty();
    }
    EXPECT_EQ(ValidPairs(domain).size() + refused, FaultKinds().size() * FaultPoints().size());
  }
  EXPECT_THAT(std::string(WhyNot("network", *FindFaultKind("daemon"), *FindFaultPoint("grant"))),
              HasSubstr("no daemon"));
  EXPECT_EQ(WhyNot("storage", *FindFaultKind("daemon"), *FindFaultPoint("after-fetch")), "");
  EXPECT_EQ(FindFaultKind("gently"), nullptr);
}

TEST(FaultModel, TheTableNamesEverything) {
  const std::string table = FaultTable("");
  for (const std::string& name : FaultKindNames()) EXPECT_THAT(table, HasSubstr(name));
  for (const std::string& name : FaultPointNames()) EXPECT_THAT(table, HasSubstr(name));
  EXPECT_THAT(FaultTable("storage"), Not(HasSubstr("network: ")));
}

TEST(FaultPlan, TheSeedDecides) {
  EXPECT_EQ(PlanFaults(Settings("random", 50)), PlanFaults(Settings("random", 50)));
  EXPECT_NE(PlanFaults(Settings("random", 50)), PlanFaults(Settings("random", 50, "network", 8)));
}

TEST(FaultPlan, MoreRoundsBeginAsFewerDo) {
  const auto few = PlanFaults(Settings("random", 15));
  auto many = PlanFaults(Settings("random", 300));
  EXPECT_THAT(many, SizeIs(300));
  many.resize(few.size());
  EXPECT_EQ(few, many);
}

TEST(FaultPlan, OnlyValidPairs) {
  for (const std::string_view domain : kFaultDomains) {
    for (const std::string& mix : FaultMixes()) {
      for (const PlannedFault& fault : PlanFaults(Settings(mix, 200, std::string(domain)))) {
        const FaultKind* kind = FindFaultKind(fault.kind);
        const FaultPoint* point = FindFaultPoint(fault.point);
        ASSERT_TRUE(kind && point);
        EXPECT_EQ(WhyNot(domain, *kind, *point), "") << fault.kind << " at " << fault.point;
        EXPECT_GE(fault.nth, 1u);
        if (!point->request) {
          EXPECT_EQ(fault.request_class, kAnyClass);
        }
      }
    }
  }
}

TEST(FaultPlan, MixesHoldWhatTheySay) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto cover = PlanFaults(Settings("cover", 0, "storage", seed));
    EXPECT_THAT(Kinds(cover), SizeIs(FaultKinds().size()));
    EXPECT_THAT(Points(cover), SizeIs(FaultPoints().size()));
    EXPECT_LE(cover.size(), FaultPoints().size() + 3);
    // A network domain has no daemon.
    EXPECT_THAT(Kinds(PlanFaults(Settings("cover", 0, "network", seed))),
                SizeIs(FaultKinds().size() - 1));
  }
  EXPECT_THAT(PlanFaults(Settings("pairs")), SizeIs(ValidPairs("network").size()));
  EXPECT_THAT(Kinds(PlanFaults(Settings("kinds"))), SizeIs(FaultKinds().size() - 1));
  EXPECT_THAT(Points(PlanFaults(Settings("points"))), SizeIs(FaultPoints().size()));
}

TEST(FaultRecord, RoundTrip) {
  EXPECT_EQ(ParseRound(FormatRound(SomeRound(4))).value(), SomeRound(4));
  EXPECT_EQ(ParseRound(FormatRound(RoundRecord())).value(), RoundRecord());
  EXPECT_EQ(ParseSettings(FormatSettings(Settings("pairs"))).value(), Settings("pairs"));
  EXPECT_FALSE(ParseRound("{\"round\": 1}").has_value());
  EXPECT_FALSE(ParseRound("{\"round\"").has_value());
  EXPECT_FALSE(ParseSettings("[]").has_value());
}

TEST(FaultCampaign, GoesOnWhereItWasEnded) {
  const TemporaryDirectory temporary;
  const std::string path = temporary.path() / "campaign";
  {
    auto campaign = CampaignDirectory::Open(path, Settings("pairs"));
    ASSERT_TRUE(campaign.has_value()) << campaign.error().message;
    EXPECT_TRUE(campaign->fresh());
    ASSERT_TRUE(campaign->Append(SomeRound(0)).has_value());
    ASSERT_TRUE(campaign->Append(SomeRound(1)).has_value());
  }
  // Ended in the middle of a line.
  std::ofstream(path + "/rounds.jsonl", std::ios::app) << FormatRound(SomeRound(2)).substr(0, 40);
  auto campaign = CampaignDirectory::Open(path, Settings("pairs"));
  ASSERT_TRUE(campaign.has_value()) << campaign.error().message;
  EXPECT_FALSE(campaign->fresh());
  EXPECT_THAT(campaign->rounds(), SizeIs(2));
  ASSERT_TRUE(campaign->Append(SomeRound(2)).has_value());

  const auto read = CampaignDirectory::Read(path);
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_THAT(read->rounds(), SizeIs(3));
  EXPECT_EQ(read->settings(), Settings("pairs"));
}

TEST(FaultCampaign, OtherSettingsAreRefused) {
  const TemporaryDirectory temporary;
  const std::string path = temporary.path();
  ASSERT_TRUE(CampaignDirectory::Open(path, Settings("pairs")).has_value());
  const auto other = CampaignDirectory::Open(path, Settings("random", 9));
  ASSERT_FALSE(other.has_value());
  EXPECT_THAT(other.error().message, HasSubstr("other settings"));
  EXPECT_FALSE(CampaignDirectory::Read(path + "/nowhere").has_value());
}

TEST(FaultCampaign, ABrokenLineInTheMiddleIsAnError) {
  const TemporaryDirectory temporary;
  const std::string path = temporary.path();
  std::ofstream(path + "/rounds.jsonl") << FormatSettings(Settings("pairs")) << "\nnonsense\n"
                                        << FormatRound(SomeRound(0)) << "\n";
  EXPECT_FALSE(CampaignDirectory::Read(path).has_value());
}

TEST(FaultReport, AddsUp) {
  CampaignRounds network{Settings("pairs"), {SomeRound(0), SomeRound(1)}};
  CampaignRounds storage{Settings("cover", 0, "storage"), {SomeRound(0)}};
  storage.rounds[0].recovered = false;
  storage.rounds[0].leaks = {"grants: 12 more"};
  storage.rounds[0].violations = {"the workload does not go on", "leak: grants: 12 more"};
  const FaultReport report = MakeFaultReport({network, storage});
  EXPECT_EQ(report.all.rounds, 3u);
  EXPECT_EQ(report.all.recovered, 2u);
  EXPECT_EQ(report.all.leaks, 1u);
  EXPECT_EQ(report.by_domain.at("network").recovered, 2u);
  EXPECT_EQ(report.all.in_flight.at("recv: ECONNRESET"), 3u);
  EXPECT_THAT(report.exceptions, SizeIs(2));

  EXPECT_THAT(FaultReportText(report), HasSubstr("target missed: at least 99 % of what"));
  const auto json = nlohmann::json::parse(FaultReportJson(report));
  EXPECT_EQ(json["all"]["manifested"], 3);
  EXPECT_EQ(json["by_kind"]["panic"]["outage_ms"]["median"], 3000);
  const std::string page = FaultReportHtml(report);
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("after-fetch"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_EQ(json["by_pair"]["network"]["panic"]["after-fetch"]["rounds"], 2);
  EXPECT_EQ(json["campaigns"][1]["rounds"], 1);
  EXPECT_THAT(page, HasSubstr("<td class=\"bad\">1"));
}

TEST(FaultReport, TargetsAreMeasuredOnCrashesThatEndWhatServes) {
  CampaignRounds network{Settings("pairs"), {SomeRound(0), SomeRound(1), SomeRound(2)}};
  network.rounds[1].fault.point = "handshake";
  network.rounds[1].detection_ms = 40'000;
  network.rounds[2].fault.kind = "hang";
  network.rounds[2].detection_ms = 1000;
  network.rounds[2].longest_call_ms = 26'000;
  const std::string text = FaultReportText(MakeFaultReport({network}));
  EXPECT_THAT(text, HasSubstr("target met: network: a crash is noticed within 10 ms, median: "
                              "1.5 ms, n 1\n"));
  EXPECT_THAT(
      text,
      HasSubstr(
          "target met: network: outage of a crash at most 2000 ms beyond the 2500 of a boot"));
  EXPECT_THAT(text, Not(HasSubstr("standby")));
  EXPECT_THAT(text, HasSubstr("target missed: no call lasts beyond its bound: 1 rounds\n"));
}

TEST(FaultReport, OfNothing) {
  EXPECT_THAT(MakeFaultReport({}).exceptions, IsEmpty());
  EXPECT_THAT(FaultReportHtml(MakeFaultReport({})), HasSubstr("0 rounds"));
}

TEST(Percentiles, NearestRank) {
  std::vector<double> values;
  for (int i = 100; i > 0; --i) values.push_back(i);
  const Percentiles p = Percentiles::Of(values);
  EXPECT_EQ(p.min, 1);
  EXPECT_EQ(p.median, 50);
  EXPECT_EQ(p.p90, 90);
  EXPECT_EQ(p.p99, 99);
  EXPECT_EQ(p.max, 100);
  EXPECT_EQ(Percentiles::Of({5}).p99, 5);
  EXPECT_EQ(Percentiles::Of({}).count, 0u);
}

}  // namespace
}  // namespace vos
