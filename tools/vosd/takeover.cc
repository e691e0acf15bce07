// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/takeover.h"

#include <format>
#include <utility>

#include "kernel/virtuos/abi/virtuos.h"

namespace vos {
namespace {

using std::chrono::milliseconds;

// What is waited for takes some milliseconds, and nothing tells of the end of a device.
constexpr milliseconds kLookAgain{5};
// The kernel hears of the domain's end by itself, unless the hypervisor has no event for that.
constexpr milliseconds kKernelHears{100};
// A domain that does not answer so long may as well look for its device.
constexpr milliseconds kHandshake{500};

}  // namespace

Result<std::unique_ptr<Takeover>> Takeover::Begin(const Tools& tools, Plan plan, OnDone on_done) {
  std::unique_ptr<Takeover> takeover(new Takeover(tools, std::move(plan), std::move(on_done)));
  auto timer = Timer::Create(tools.loop, [self = takeover.get()] { self->Proceed(); });
  if (!timer) return std::unexpected(timer.error());
  takeover->timer_.emplace(std::move(*timer));
  // At once, whatever it does.
  tools.hypervisor.Stop(takeover->plan_.dead);
  takeover->timer_->Set(milliseconds(0));
  return takeover;
}

Takeover::Takeover(const Tools& tools, Plan plan, OnDone on_done)
    : tools_(tools),
      plan_(std::move(plan)),
      on_done_(std::move(on_done)),
      passthrough_(tools.hypervisor, tools.store, tools.primary),
      begun_(std::chrono::steady_clock::now()) {}

void Takeover::SetHeir(std::uint32_t domid) {
  heir_ = domid;
  timer_->Set(milliseconds(0));
}

void Takeover::Proceed() {
  Result<void> done = Do();
  if (done && !device_moved_) {
    // When all else is done nothing but an heir is waited for, whose coming is told.
    if (heir_ != 0 || !connection_ended_ || !device_free_) timer_->Set(kLookAgain);
    return;
  }
  const OnDone on_done = on_done_;
  on_done(std::move(done));
}

Result<void> Takeover::Do() {
  // A processor of it may have been in the hypervisor when it was stopped.
  if (!stopped_ && tools_.hypervisor.Health(plan_.dead).alive) return {};
  stopped_ = true;
  if (auto done = EndConnection(); !done) return done;
  if (auto done = MoveConnection(); !done) return done;
  if (auto done = ReleaseDevice(); !done) return done;
  return MoveDevice();
}

bool Takeover::IsConnected() const {
  if (!connection_moved_) return false;
  // Without its disk such a domain has nothing to serve.
  if (plan_.kind == VOS_DOMAIN_STORAGE) return true;
  return ConnectionNodes(tools_.primary, heir_).BackendState(tools_.store) ==
             XenbusState::kConnected ||
         std::chrono::steady_clock::now() - connection_moved_at_ >= kHandshake;
}

Result<void> Takeover::EndConnection() {
  if (connection_ended_) return {};
  connection_ended_ = plan_.nodes.BackendState(tools_.store) != XenbusState::kConnected;
  if (connection_ended_ || asked_to_close_ ||
      std::chrono::steady_clock::now() - begun_ < kKernelHears) {
    return {};
  }
  asked_to_close_ = true;
  return plan_.nodes.CloseFrontend(tools_.store);
}

Result<void> Takeover::MoveConnection() {
  if (!connection_ended_ || heir_ == 0 || connection_moved_) return {};
  connection_moved_ = true;
  connection_moved_at_ = std::chrono::steady_clock::now();
  tools_.say(std::format("its connection goes to domain {}", heir_));
  return ConnectionNodes(tools_.primary, heir_).Write(tools_.store, plan_.kind);
}

Result<void> Takeover::ReleaseDevice() {
  if (device_free_) return {};
  if (!plan_.device.empty()) {
    if (!std::exchange(device_let_go_, true)) passthrough_.LetGo(plan_.dead);
    if (!passthrough_.IsLetGo(plan_.dead)) return {};
    // Of one that somebody destroyed meanwhile the hypervisor has taken it already.
    if (!tools_.hypervisor.Health(plan_.dead).gone) {
      if (auto taken = passthrough_.TakeBack(plan_.dead, plan_.device); !taken) return taken;
    }
  }
  device_free_ = true;
  if (!plan_.device.empty()) tools_.say("its device is free");
  return {};
}

Result<void> Takeover::MoveDevice() {
  if (!device_free_ || device_moved_ || !IsConnected()) return {};
  device_moved_ = true;
  if (plan_.device.empty()) return {};
  tools_.say(std::format("its device goes to domain {}", heir_));
  return passthrough_.Give(heir_, plan_.name, plan_.device);
}

}  // namespace vos
