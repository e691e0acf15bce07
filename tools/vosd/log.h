// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_LOG_H_
#define VIRTUOS_TOOLS_VOSD_LOG_H_

#include <string>
#include <string_view>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"

namespace vos {

// Lines with the time since boot, appended to a file and written to standard error.
class Log {
 public:
  static Result<Log> Open(const std::string& file);

  // One line; what is not printable in it is replaced.
  void Write(std::string_view line) const;

 private:
  explicit Log(FileDescriptor file) : file_(std::move(file)) {}

  FileDescriptor file_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_LOG_H_
