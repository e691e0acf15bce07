// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_TAKEOVER_H_
#define VIRTUOS_TOOLS_VOSD_TAKEOVER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tools/vosd/connection_nodes.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/passthrough.h"
#include "tools/vosd/xenstore.h"

namespace vos {

// Moves what a domain that failed had to a standby: the connection, once the kernel has ended the old
// one, and the device, once pciback has let go of it. The drivers shake hands while the device is
// reset. Finding a device keeps the domain's kernel busy for longer than all else, so a NIC comes only
// when the drivers are done: sockets of the loopback need none. Whoever has a Takeover sets the limit
// of time.
class Takeover {
 public:
  struct Tools {
    EventLoop& loop;
    XenStore& store;
    Hypervisor& hypervisor;
    std::uint32_t primary;
    std::function<void(std::string_view)> say;  // for the log
  };
  struct Plan {
    std::uint32_t dead;     // it is stopped if it runs still
    ConnectionNodes nodes;  // its
    std::string device;     // its PCI address; empty: none
    std::string name;       // which the heir will have
    std::uint32_t kind;     // VOS_DOMAIN_*
  };
  // Called once: the heir has everything, or why it cannot have it. May destroy the Takeover.
  using OnDone = std::function<void(Result<void>)>;

  static Result<std::unique_ptr<Takeover>> Begin(const Tools& tools, Plan plan, OnDone on_done);
  Takeover(const Takeover&) = delete;
  Takeover& operator=(const Takeover&) = delete;

  // The standby; it may come later than the beginning. It waits.
  void SetHeir(std::uint32_t domid);
  // 0: there is none yet.
  std::uint32_t heir() const { return heir_; }

 private:
  Takeover(const Tools& tools, Plan plan, OnDone on_done);

  // Does what can be done by now.
  void Proceed();
  Result<void> Do();
  // The domain is not to be waited for any longer before its device comes.
  bool IsConnected() const;
  Result<void> EndConnection();
  Result<void> MoveConnection();
  Result<void> ReleaseDevice();
  Result<void> MoveDevice();

  const Tools tools_;
  const Plan plan_;
  const OnDone on_done_;
  const Passthrough passthrough_;
  std::optional<Timer> timer_;
  const std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point connection_moved_at_;
  std::uint32_t heir_ = 0;
  bool stopped_ = false;
  bool asked_to_close_ = false;
  bool connection_ended_ = false;
  bool connection_moved_ = false;
  bool device_let_go_ = false;
  bool device_free_ = false;
  bool device_moved_ = false;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_TAKEOVER_H_
