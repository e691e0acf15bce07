// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_JOB_H_
#define VIRTUOS_TOOLS_VM_JOB_H_

#include <chrono>
#include <expected>
#include <filesystem>
#include <string>

#include "tools/vm/options.h"

namespace vos::vm {

// For packing or unpacking an archive.
inline constexpr std::chrono::seconds kTarLimit{120};

// Packs FILE and the --put files, which are to lie in one directory, into `archive`, by way of the
// directory `run`. FILE, if it is a file of the host and no command of the primary, becomes ./NAME
// in the command. Fails if two of the files have one name.
std::expected<void, std::string> PackJob(Options& options, const std::filesystem::path& run,
                                         const std::filesystem::path& archive);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_JOB_H_
