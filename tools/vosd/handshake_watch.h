// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_HANDSHAKE_WATCH_H_
#define VIRTUOS_TOOLS_VOSD_HANDSHAKE_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tools/vosd/connection_nodes.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/handshake.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/xenstore.h"

namespace vos {

// Finds that a domain hangs while it shakes hands with the primary: before that its life is not known,
// after that the kernel looks at its pollers.
class HandshakeWatch {
 public:
  // Called once. May destroy the watch.
  using OnHang = std::function<void(std::string why)>;

  // Of the domain `domid`, which has `nodes`. Outlived by everything else.
  static Result<std::unique_ptr<HandshakeWatch>> Begin(EventLoop& loop, Hypervisor& hypervisor,
                                                       XenStore& store,
                                                       const ConnectionNodes& nodes,
                                                       std::uint32_t domid, OnHang on_hang);
  HandshakeWatch(const HandshakeWatch&) = delete;
  HandshakeWatch& operator=(const HandshakeWatch&) = delete;

  // A node of the handshake has changed. May end in OnHang.
  void Look();
  // It does not boot any more.
  bool begun() const { return begun_; }

 private:
  HandshakeWatch(Hypervisor& hypervisor, XenStore& store, const ConnectionNodes& nodes,
                 std::uint32_t domid, OnHang on_hang)
      : hypervisor_(hypervisor),
        store_(store),
        nodes_(nodes),
        domid_(domid),
        on_hang_(std::move(on_hang)) {}

  Hypervisor& hypervisor_;
  XenStore& store_;
  const ConnectionNodes nodes_;
  const std::uint32_t domid_;
  const OnHang on_hang_;
  std::optional<Timer> timer_;
  HandshakeCount count_;
  bool begun_ = false;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_HANDSHAKE_WATCH_H_
