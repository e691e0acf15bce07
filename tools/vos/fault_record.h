// SPDX-License-Identifier: Apache-2.0
// What is written down of a campaign: its settings, and what came of each round, a line of JSON each.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_RECORD_H_
#define VIRTUOS_TOOLS_VOS_FAULT_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"

namespace vos {

struct CampaignSettings {
  std::string domain;  // "network", "storage"
  std::string workload;
  std::string mix;
  std::uint32_t rounds = 0;  // 0: one pass of the mix
  std::uint64_t seed = 1;

  bool operator==(const CampaignSettings&) const = default;
};

struct PlannedFault {
  std::string kind;
  std::string point;
  std::uint32_t nth = 1;       // passing of the point
  std::string request_class;   // of the requests that count
  std::uint32_t argument = 0;  // seed of what is random in the fault

  bool operator==(const PlannedFault&) const = default;
};

struct RoundRecord {
  std::uint32_t round = 0;  // from 0
  PlannedFault fault;

  bool injected = false;    // the domain's kernel has the order
  bool activated = false;   // the point was passed, the fault began
  bool manifested = false;  // somebody other than the domain saw something of it
  bool recovered = false;   // the workload goes on; of a fault that ends it, in another domain
  std::string detected_by;  // "kernel", "vosd", "iommu", "init"; empty: nobody noticed
  std::string reason;       // the detector's words
  // From the beginning of the fault until it was noticed.
  std::optional<double> detection_ms;
  std::optional<double> outage_ms;  // from the last answer before to the first one after
  // From the beginning of the domain that took the place until it served; none: a standby did.
  std::optional<double> boot_ms;
  // How the calls ended that were under way when the domain failed: "recv: ECONNRESET" -> how many.
  std::map<std::string, std::uint32_t> in_flight;
  // And all that failed: the same.
  std::map<std::string, std::uint32_t> errors;
  double longest_call_ms = 0;
  std::uint32_t iommu_faults = 0;  // the hypervisor told of
  // What differs from before: "grants: 12 more".
  std::vector<std::string> leaks;
  // What was read that should not be, or not read that should be; empty: all is as it should be.
  std::vector<std::string> wrong_data;
  bool other_domain_affected = false;
  std::string primary_complaint;  // a line of trouble in the primary's log
  // Everything that should not have been, for a person; empty: the round is as it should be.
  std::vector<std::string> violations;

  bool operator==(const RoundRecord&) const = default;
};

std::string FormatSettings(const CampaignSettings& settings);
Result<CampaignSettings> ParseSettings(std::string_view line);
std::string FormatRound(const RoundRecord& round);
Result<RoundRecord> ParseRound(std::string_view line);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_RECORD_H_
