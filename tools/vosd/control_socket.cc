// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <utility>

#include "tools/common/supervisor_state.h"

namespace vos {

ControlSocket::~ControlSocket() {
  for (const auto& [number, client] : clients_) loop_.Remove(client.get());
  if (!listener_) return;
  loop_.Remove(listener_.get());
  unlink(path_.c_str());
}

Result<void> ControlSocket::Listen(const std::string& path, OnRequest on_request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Fail(path + ": too long for a socket");
  path.copy(address.sun_path, path.size());

  FileDescriptor listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return FailErrno("socket");
  // Left by a supervisor that was killed; the lock says that none runs.
  unlink(path.c_str());
  const mode_t mask = umask(0177);
  const int bound = bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(mask);
  if (bound < 0 || listen(listener.get(), kMaxClients) < 0) return FailErrno(path);
  if (auto added = loop_.Add(listener.get(), [this] { Accept(); }); !added) return added;
  path_ = path;
  listener_ = std::move(listener);
  on_request_ = std::move(on_request);
  return {};
}

void ControlSocket::Accept() {
  FileDescriptor client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!client || clients_.size() == kMaxClients) return;
  const int number = next_client_++;
  if (loop_.Add(client.get(), [this, number] { Read(number); })) {
    clients_.emplace(number, std::move(client));
  }
}

void ControlSocket::Read(int client) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  char packet[kMaxControlPacket];
  const ssize_t size = recv(found->second.get(), packet, sizeof packet, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    loop_.Remove(found->second.get());
    clients_.erase(found);
    return;
  }
  on_request_(client, std::string_view(packet, static_cast<std::size_t>(size)));
}

void ControlSocket::Answer(int client, std::string_view answer) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  answer = answer.substr(0, kMaxControlPacket);
  // A client that does not read its only answer loses it.
  send(found->second.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  loop_.Remove(found->second.get());
  clients_.erase(found);
}

}  // namespace vos
