// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_FAULT_RUN_H_
#define VIRTUOS_TOOLS_VOS_FAULT_RUN_H_

#include <string>

#include "tools/common/result.h"
#include "tools/vos/fault_record.h"

namespace vos {

// Runs what is left of a campaign in a directory, and tells each round in a line. The answer: no
// round had a violation.
Result<bool> RunFaults(const CampaignSettings& settings, const std::string& directory);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_FAULT_RUN_H_
