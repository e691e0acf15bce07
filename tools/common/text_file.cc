// SPDX-License-Identifier: Apache-2.0
#include "tools/common/text_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/common/file_descriptor.h"

namespace vos {

Result<std::string> ReadTextFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return FailErrno(path);
  std::string contents;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(file.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FailErrno(path);
    if (count == 0) return contents;
    contents.append(buffer, static_cast<std::size_t>(count));
    if (contents.size() > kMaxTextFile) return Fail(path + ": too long", EFBIG);
  }
}

Result<void> WriteTextFile(const std::string& path, std::string_view contents, mode_t mode) {
  const std::string temporary = path + ".new";
  {
    const FileDescriptor file(
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file) return FailErrno(temporary);
    if (fchmod(file.get(), mode) < 0) return FailErrno(temporary);
    while (!contents.empty()) {
      const ssize_t count = write(file.get(), contents.data(), contents.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return FailErrno(temporary);
      contents.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  if (rename(temporary.c_str(), path.c_str()) < 0) return FailErrno(path);
  return {};
}

}  // namespace vos
