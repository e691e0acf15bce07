// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_COMMON_TEXT_FILE_H_
#define VIRTUOS_TOOLS_COMMON_TEXT_FILE_H_

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "tools/common/result.h"

namespace vos {

// Limit of what the tools read from one file; a longer one is an error.
inline constexpr std::size_t kMaxTextFile = 1 << 20;

Result<std::string> ReadTextFile(const std::string& path);

// Readers see the old contents or the new ones, never a part. Replaces a symbolic link by a file.
Result<void> WriteTextFile(const std::string& path, std::string_view contents, mode_t mode = 0644);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_TEXT_FILE_H_
