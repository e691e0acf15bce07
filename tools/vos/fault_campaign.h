// SPDX-License-Identifier: Apache-2.0
// A campaign: which faults are injected in which order, decided by a seed alone, and the directory
// that it leaves its rounds in, so that it can be gone on with.
#ifndef VIRTUOS_TOOLS_VOS_FAULT_CAMPAIGN_H_
#define VIRTUOS_TOOLS_VOS_FAULT_CAMPAIGN_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/result.h"
#include "tools/vos/fault_record.h"

namespace vos {

// Which faults:
//   cover   few rounds in which each valid kind and each valid point occurs at least once
//   kinds   each kind once, at points chosen at random
//   points  each point once, with kinds chosen at random
//   pairs   every valid pair
//   random  valid pairs chosen at random
std::vector<std::string> FaultMixes();

// What to drive while the fault is injected: see fault_workload.h. The first is the default.
std::vector<std::string> FaultWorkloads(std::string_view domain);

// The rounds of a campaign. A round's fault does not depend on how many there are. rounds 0: as
// many as the mix has, or 10; more than it has: it begins again, in another order.
std::vector<PlannedFault> PlanFaults(const CampaignSettings& settings);

// DIRECTORY/rounds.jsonl: a line for the settings, then one for each round.
class CampaignDirectory {
 public:
  // Begins a campaign there, or goes on with the one of the same settings; of another is an error.
  // Rounds that were not written to their end are dropped.
  static Result<CampaignDirectory> Open(const std::string& path, const CampaignSettings& settings);
  // What others left there.
  static Result<CampaignDirectory> Read(const std::string& path);

  const CampaignSettings& settings() const { return settings_; }
  const std::vector<RoundRecord>& rounds() const { return rounds_; }
  // Nobody had begun it before.
  bool fresh() const { return fresh_; }
  // On the disk when it returns.
  Result<void> Append(const RoundRecord& round);

 private:
  explicit CampaignDirectory(std::string file) : file_(std::move(file)) {}
  Result<void> Write(const std::string& line, int flags) const;

  std::string file_;
  CampaignSettings settings_;
  std::vector<RoundRecord> rounds_;
  bool fresh_ = false;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_CAMPAIGN_H_
