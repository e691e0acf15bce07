// SPDX-License-Identifier: Apache-2.0
// Memory of domains that died, kept as files DIRECTORY/NAME.TIME.core; TIME sorts.
#ifndef VIRTUOS_TOOLS_VOSD_CORE_FILES_H_
#define VIRTUOS_TOOLS_VOSD_CORE_FILES_H_

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "tools/common/result.h"

namespace vos {

// Of one domain.
inline constexpr std::size_t kMaxCoreFiles = 3;

class CoreFiles {
 public:
  CoreFiles(std::string directory, std::string domain)
      : directory_(std::move(directory)), domain_(std::move(domain)) {}

  // The file to write, which is none of them until Keep(). Makes the directory; what another one
  // that was not kept has left goes.
  Result<std::string> Begin(std::chrono::system_clock::time_point now) const;
  // It is complete. Removes the oldest if there are too many now; its path.
  Result<std::string> Keep(const std::string& begun) const;
  // It is not.
  void Drop(const std::string& begun) const;
  // The oldest first.
  std::vector<std::string> List() const;

 private:
  std::vector<std::string> Find(const std::string& ending) const;

  std::string directory_;
  std::string domain_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_CORE_FILES_H_
