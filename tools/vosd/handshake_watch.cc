// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/handshake_watch.h"

namespace vos {
namespace {

// Only while the domain has a step to make.
constexpr std::chrono::milliseconds kSamplePeriod{50};

}  // namespace

Result<std::unique_ptr<HandshakeWatch>> HandshakeWatch::Begin(EventLoop& loop,
                                                              Hypervisor& hypervisor,
                                                              XenStore& store,
                                                              const ConnectionNodes& nodes,
                                                              std::uint32_t domid, OnHang on_hang) {
  std::unique_ptr<HandshakeWatch> watch(
      new HandshakeWatch(hypervisor, store, nodes, domid, std::move(on_hang)));
  auto timer = Timer::Create(loop, [self = watch.get()] { self->Look(); });
  if (!timer) return std::unexpected(timer.error());
  watch->timer_.emplace(std::move(*timer));
  return watch;
}

void HandshakeWatch::Look() {
  const HandshakeStep step = nodes_.Step(store_);
  begun_ = begun_ || step.introduces;
  const auto sample = step.IsDomains() ? hypervisor_.Sample(domid_) : std::nullopt;
  const auto hang = count_.Add(step, sample, HandshakeCount::Clock::now());
  if (hang) {
    timer_->Clear();
    const OnHang on_hang = on_hang_;
    on_hang(*hang);
  } else if (step.IsDomains()) {
    timer_->Set(kSamplePeriod);
  } else {
    timer_->Clear();
  }
}

}  // namespace vos
