// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_HANG_WATCH_H_
#define VIRTUOS_TOOLS_VOSD_HANG_WATCH_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "tools/common/control_device.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/silence.h"

namespace vos {

// Waits for the kernel's suspicion that a domain hangs, counts what the domain did meanwhile, and
// tells the kernel, which then ends the connection. Does nothing while no domain is silent.
class HangWatch {
 public:
  // The domain that serves a kind (VOS_DOMAIN_*); 0: none.
  using FindDomain = std::function<std::uint32_t(std::uint32_t kind)>;

  static Result<std::unique_ptr<HangWatch>> Create(EventLoop& loop, Hypervisor& hypervisor,
                                                   FindDomain find_domain);
  HangWatch(const HangWatch&) = delete;
  HangWatch& operator=(const HangWatch&) = delete;
  ~HangWatch();

 private:
  HangWatch(EventLoop& loop, Hypervisor& hypervisor, FindDomain find_domain, ControlDevice device)
      : loop_(loop),
        hypervisor_(hypervisor),
        find_domain_(std::move(find_domain)),
        device_(std::move(device)) {}

  // Until the kernel suspects somebody.
  Result<void> Wait();
  void OnSuspicion();
  // False: it is not silent any more, or is gone.
  bool Look(std::uint32_t kind);
  void Sample();

  EventLoop& loop_;
  Hypervisor& hypervisor_;
  const FindDomain find_domain_;
  ControlDevice device_;
  std::optional<Timer> timer_;
  std::map<std::uint32_t, SilenceCount> silent_;  // by kind
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_HANG_WATCH_H_
