// SPDX-License-Identifier: Apache-2.0
// What campaigns add up to.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_REPORT_H_
#define VIRTUOS_TOOLS_VOS_FAULT_REPORT_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"
#include "tools/vos/fault_record.h"

namespace vos {

struct CampaignRounds {
  CampaignSettings settings;
  std::vector<RoundRecord> rounds;
};

struct Percentiles {
  std::size_t count = 0;
  double min = 0, median = 0, p90 = 0, p99 = 0, max = 0;

  static Percentiles Of(std::vector<double> values);
};

struct FaultTotals {
  std::size_t rounds = 0;
  std::size_t injected = 0;
  std::size_t activated = 0;
  std::size_t manifested = 0;
  std::size_t recovered = 0;  // of those that manifested
  std::size_t leaks = 0;      // rounds with some
  std::size_t wrong_data = 0;
  std::size_t other_domain_affected = 0;
  std::size_t primary_affected = 0;
  std::size_t late_calls = 0;  // rounds with a call that lasted beyond its bound
  std::size_t violations = 0;
  std::map<std::string, std::size_t> detected_by;
  std::map<std::string, std::size_t> in_flight;  // how the calls ended
  std::vector<double> detection_ms;
  std::vector<double> outage_ms;
  double longest_call_ms = 0;

  void Add(const RoundRecord& round, std::string_view domain);
};

// What is asked of the domains, and what was seen.
struct FaultTarget {
  std::string what;
  std::string measured;
  bool met;
};

struct FaultReport {
  FaultTotals all;
  std::vector<CampaignSettings> campaigns;
  std::vector<std::size_t> rounds_of;  // each campaign
  std::vector<FaultTarget> targets;
  std::map<std::string, FaultTotals> by_domain;
  std::map<std::string, FaultTotals> by_kind;
  std::map<std::string, FaultTotals> by_point;
  // By domain, fault and point.
  std::map<std::string, std::map<std::string, std::map<std::string, FaultTotals>>> by_pair;
  // Rounds that were not as they should be, each in a line.
  std::vector<std::string> exceptions;
};

FaultReport MakeFaultReport(const std::vector<CampaignRounds>& campaigns);
std::string FaultReportText(const FaultReport& report);
std::string FaultReportJson(const FaultReport& report);
// One page that needs nothing else.
std::string FaultReportHtml(const FaultReport& report);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_REPORT_H_
