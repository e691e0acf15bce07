// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_FAULT_RUN_H_
#define VIRTUOS_TOOLS_VOS_FAULT_RUN_H_

#include <chrono>
#include <optional>
#include <string>

#include "tools/common/result.h"
#include "tools/vos/fault_record.h"

namespace vos {

enum class CampaignEnd {
  kGood,        // all rounds are done, and none had a violation
  kViolations,  // all are done
  kTimeUp,      // some are left
};

// How much of a campaign is run, and what is told of it.
struct CampaignRun {
  CampaignSettings settings;
  std::string directory;
  std::optional<std::chrono::seconds> limit;  // no round begins after this time
  bool json = false;  // what is added to the directory's file goes to standard output as well
};

// Runs what is left of a campaign in a directory, and tells each round in a line: on standard output,
// or, if that has JSON, on standard error.
Result<CampaignEnd> RunFaults(const CampaignRun& run);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_RUN_H_
