// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_COMMON_VERSION_H_
#define VIRTUOS_TOOLS_COMMON_VERSION_H_

namespace vos {

inline constexpr char kVersion[] = "0.1";

}  // namespace vos

#endif  // VIRTUOS_TOOLS_COMMON_VERSION_H_
