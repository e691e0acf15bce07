// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/supervisor_client.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "tools/common/file_descriptor.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {

bool SupervisorRuns() {
  const FileDescriptor lock(open(kLockFile, O_RDONLY | O_CLOEXEC));
  return lock && flock(lock.get(), LOCK_SH | LOCK_NB) < 0;
}

Result<std::optional<SupervisorState>> ReadSupervisorState() {
  const auto text = ReadTextFile(kStateFile);
  if (!text && text.error().code == ENOENT) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  return ParseSupervisorState(*text);
}

Result<void> ParseAnswer(std::string_view answer) {
  constexpr std::string_view kError = "error ";
  if (answer == "ok") return {};
  if (answer.starts_with(kError))
    return Fail(Printable(answer.substr(kError.size()), answer.size()));
  return Fail("vosd gave no answer");
}

Result<void> AskSupervisor(const std::string& request) {
  const FileDescriptor connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!connection) return FailErrno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  static_assert(sizeof kSocket <= sizeof address.sun_path);
  std::string_view(kSocket).copy(address.sun_path, sizeof address.sun_path);
  if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return Fail("vosd does not run", errno);
    if (errno == EACCES) return Fail("only root may do this", errno);
    return FailErrno("vosd");
  }
  if (send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    return FailErrno("vosd");
  }
  char answer[kMaxControlPacket];
  const ssize_t size = recv(connection.get(), answer, sizeof answer, 0);
  if (size < 0) return FailErrno("vosd");
  return ParseAnswer(std::string_view(answer, static_cast<std::size_t>(size)));
}

}  // namespace vos
