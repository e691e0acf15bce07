// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOS_RUN_H_
#define VIRTUOS_TOOLS_VOS_RUN_H_

#include <string>
#include <string_view>

#include "tools/common/result.h"
#include "tools/vos/options.h"

namespace vos {

inline constexpr char kShim[] = "/usr/lib/virtuos/libsyscall-shim.so";

// LD_PRELOAD with the shim first, once, or without it; other libraries stay.
std::string PreloadList(std::string_view current, bool with_shim);

// Becomes the program; returns only if that fails: 127, 126, or 1, after saying why.
int Run(const RunCommand& run);

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOS_RUN_H_
