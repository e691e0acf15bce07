// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/hang_watch.h"

#include <sys/epoll.h>

#include <utility>

#include "kernel/virtuos/abi/virtuos.h"

namespace vos {
namespace {

constexpr std::chrono::milliseconds kSamplePeriod{50};

}  // namespace

Result<std::unique_ptr<HangWatch>> HangWatch::Create(EventLoop& loop, Hypervisor& hypervisor,
                                                     FindDomain find_domain) {
  auto device = ControlDevice::Open();
  if (!device) return std::unexpected(device.error());
  std::unique_ptr<HangWatch> watch(
      new HangWatch(loop, hypervisor, std::move(find_domain), std::move(*device)));
  auto timer = Timer::Create(loop, [self = watch.get()] { self->Sample(); });
  if (!timer) return std::unexpected(timer.error());
  watch->timer_.emplace(std::move(*timer));
  if (auto waiting = watch->Wait(); !waiting) return std::unexpected(waiting.error());
  return watch;
}

HangWatch::~HangWatch() { loop_.Remove(device_.fd()); }

Result<void> HangWatch::Wait() {
  return loop_.Add(device_.fd(), [this] { OnSuspicion(); }, EPOLLPRI);
}

void HangWatch::OnSuspicion() {
  // It stays so as long as the silence lasts: the timer looks from now on.
  loop_.Remove(device_.fd());
  Sample();
}

bool HangWatch::Look(std::uint32_t kind) {
  const auto silence = device_.SilenceOf(kind);
  if (!silence || silence->silent_ms == 0) return false;
  const std::uint32_t domid = find_domain_(kind);
  if (domid == 0) return false;
  const auto sample = hypervisor_.Sample(domid);
  if (!sample) return false;
  SilenceCount& count = silent_[kind];
  count.Add(*sample, SilenceCount::Clock::now());
  if (count.counted() < kHangLimit) return true;
  // It may have spoken in this very moment: then the kernel knows better.
  device_.DeclareHung(kind, silence->generation,
                      static_cast<std::uint32_t>(count.counted().count()));
  return false;
}

void HangWatch::Sample() {
  bool any = false;
  for (const std::uint32_t kind : {VOS_DOMAIN_NETWORK, VOS_DOMAIN_STORAGE}) {
    if (Look(kind)) {
      any = true;
    } else {
      silent_.erase(kind);
    }
  }
  // Without waiting there is the kernel's own limit.
  if (any || !Wait()) {
    timer_->Set(kSamplePeriod);
  }
}

}  // namespace vos
