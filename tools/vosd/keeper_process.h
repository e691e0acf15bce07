// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_KEEPER_PROCESS_H_
#define VIRTUOS_TOOLS_VOSD_KEEPER_PROCESS_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "tools/common/result.h"
#include "tools/vosd/child.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/network_namespace.h"

namespace vos {

// Runs KeepNetwork() of network_keeper.h for one network domain after another, as a process of its own
// in the namespace that the domain serves; another one, after a pause, in the place of one that ended.
class KeeperProcess {
 public:
  struct Events {
    std::function<void(std::string_view text)> say;  // for the log
    // What programs had changed in the last domain is made again, as far as it can be.
    std::function<void()> settled;
  };

  // Does nothing before Start(). Outlived by the loop and the namespace.
  static Result<std::unique_ptr<KeeperProcess>> Create(EventLoop& loop,
                                                       const NetworkNamespace& network,
                                                       Events events);
  KeeperProcess(const KeeperProcess&) = delete;
  KeeperProcess& operator=(const KeeperProcess&) = delete;

  // Of the domain that is connected, if none runs. `before_lease` is that of KeepNetwork().
  void Start(bool before_lease);
  // The domain has its lease.
  void OnLease();
  // The domain is gone.
  void Stop();
  bool runs() const { return child_ != nullptr; }

 private:
  KeeperProcess(EventLoop& loop, const NetworkNamespace& network, Events events);
  Result<void> StartChild();
  void StartLater();

  EventLoop& loop_;
  const NetworkNamespace& network_;
  const Events events_;
  std::optional<Timer> timer_;
  std::unique_ptr<Child> child_;
  bool before_lease_ = false;
  bool ended_ = false;  // the last one, by itself
  std::chrono::milliseconds pause_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_KEEPER_PROCESS_H_
