// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/keeper_process.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/kernel_state.h"
#include "tools/common/text.h"
#include "tools/vosd/network_keeper.h"

namespace vos {
namespace {

constexpr char kChangesFile[] = "/run/virtuos/network.changes";
// What vosd begins in, as the kernel calls it.
constexpr char kInitialNamespace[] = "init_net";
// Before another one is started in the place of one that ended or could not begin; doubled each time.
constexpr std::chrono::milliseconds kPause{1000}, kMaxPause{60'000};

}  // namespace

KeeperProcess::KeeperProcess(EventLoop& loop, const NetworkNamespace& network, Events events)
    : loop_(loop), network_(network), events_(std::move(events)), pause_(kPause) {}

Result<std::unique_ptr<KeeperProcess>> KeeperProcess::Create(EventLoop& loop,
                                                             const NetworkNamespace& network,
                                                             Events events) {
  std::unique_ptr<KeeperProcess> keeper(new KeeperProcess(loop, network, std::move(events)));
  KeeperProcess* self = keeper.get();
  auto timer = Timer::Create(loop, [self] { self->Start(self->before_lease_); });
  if (!timer) return std::unexpected(timer.error());
  keeper->timer_.emplace(std::move(*timer));
  return keeper;
}

void KeeperProcess::Start(bool before_lease) {
  if (child_) return;
  before_lease_ = before_lease;
  timer_->Clear();
  // An operator detached the namespace: there the keeper would see another stack.
  const auto state = ReadKernelState();
  if (state && state->attached != kInitialNamespace) {
    events_.settled();
    StartLater();
    return;
  }
  if (std::exchange(ended_, false)) {
    events_.say("the keeper of its addresses and routes had ended; this is another one");
  }
  if (const auto started = network_.Inside([this] { return StartChild(); }); !started) {
    events_.say("addresses and routes are not kept: " + started.error().message);
    events_.settled();
    StartLater();
  }
}

Result<void> KeeperProcess::StartChild() {
  std::vector<std::string> command = {"/proc/self/exe", "--keep-network", kChangesFile};
  if (before_lease_) command.push_back("--before-lease");
  auto child = Child::Start(
      loop_, command,
      [this](std::string_view line) {
        if (Trim(line) == kKeeperSettled) {
          events_.settled();
        } else {
          events_.say("network: " + std::string(Trim(line)));
        }
      },
      [this](int) {
        child_.reset();
        ended_ = true;
        StartLater();
      });
  if (!child) return std::unexpected(child.error());
  child_ = std::move(*child);
  return {};
}

void KeeperProcess::StartLater() {
  timer_->Set(pause_);
  pause_ = std::min(2 * pause_, kMaxPause);
}

void KeeperProcess::OnLease() {
  // What this one began with lacks what the lease brought.
  if (before_lease_) child_.reset();
  Start(/*before_lease=*/false);
}

void KeeperProcess::Stop() {
  child_.reset();
  timer_->Clear();
  pause_ = kPause;
  ended_ = false;
}

}  // namespace vos
