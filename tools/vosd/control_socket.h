// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_CONTROL_SOCKET_H_
#define VIRTUOS_TOOLS_VOSD_CONTROL_SOCKET_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tools/common/file_descriptor.h"
#include "tools/common/result.h"
#include "tools/vosd/event_loop.h"

namespace vos {

inline constexpr std::size_t kMaxClients = 32;

// Requests of operators; the protocol is described in tools/common/supervisor_state.h.
class ControlSocket {
 public:
  // A request of a client, which waits until Answer().
  using OnRequest = std::function<void(int client, std::string_view request)>;

  explicit ControlSocket(EventLoop& loop) : loop_(loop) {}
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ~ControlSocket();

  Result<void> Listen(const std::string& path, OnRequest on_request);
  // Nothing happens if the client is gone.
  void Answer(int client, std::string_view answer);

 private:
  void Accept();
  void Read(int client);

  EventLoop& loop_;
  std::string path_;
  FileDescriptor listener_;
  OnRequest on_request_;
  // Clients by a number that is never used again, so that an answer cannot reach another one.
  std::map<int, FileDescriptor> clients_;
  int next_client_ = 1;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_CONTROL_SOCKET_H_
