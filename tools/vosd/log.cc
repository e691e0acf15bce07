// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/log.h"

#include <fcntl.h>

#include <format>
#include <initializer_list>

#include "tools/common/supervisor_state.h"
#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::size_t kMaxLine = 1000;

}  // namespace

Result<Log> Log::Open(const std::string& file) {
  FileDescriptor log(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return FailErrno(file);
  return Log(std::move(log));
}

void Log::Write(std::string_view line) const {
  const auto now = SinceBoot().count();
  const std::string text =
      std::format("[{:5}.{:03}] {}\n", now / 1000, now % 1000, Printable(line, kMaxLine));
  for (const int fd : {file_.get(), STDERR_FILENO}) {
    // A log that cannot be written is no reason to stop supervising.
    if (write(fd, text.data(), text.size()) < 0) continue;
  }
}

}  // namespace vos
