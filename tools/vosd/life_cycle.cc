// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/life_cycle.h"

#include <algorithm>
#include <format>
#include <utility>

namespace vos {
namespace {

using Kind = Step::Kind;

// The first, doubled for each further one.
std::chrono::milliseconds Backoff(std::chrono::milliseconds first, std::chrono::milliseconds max,
                                  std::uint32_t number) {
  auto delay = first;
  for (std::uint32_t i = 1; i < number && delay < max; ++i) delay *= 2;
  return std::min(delay, max);
}

std::string Seconds(std::chrono::milliseconds time) {
  return std::format("{} s", std::chrono::duration_cast<std::chrono::seconds>(time).count());
}

}  // namespace

const char* PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kStopped:
      return "stopped";
    case Phase::kPreparing:
      return "preparing";
    case Phase::kCreating:
      return "creating";
    case Phase::kConnecting:
      return "connecting";
    case Phase::kConnected:
      return "connected";
    case Phase::kTakingOver:
      return "taking over";
    case Phase::kCleaning:
      return "cleaning";
    case Phase::kWaiting:
      return "waiting";
    case Phase::kFailed:
      return "failed";
  }
  return "unknown";
}

LifeCycle::Steps LifeCycle::Prepare() {
  phase_ = Phase::kPreparing;
  serving_ = lasting_ = false;
  ++incarnations_;
  return {{Kind::kSetTimer, limits_.prepare_timeout}, {Kind::kPrepare}};
}

LifeCycle::Steps LifeCycle::TakeOver() {
  phase_ = Phase::kTakingOver;
  serving_ = lasting_ = false;
  ++incarnations_;
  return {{Kind::kSetTimer, limits_.take_over_timeout}, {Kind::kTakeOver}};
}

LifeCycle::Steps LifeCycle::Clean() {
  phase_ = Phase::kCleaning;
  remains_ = true;
  return {{Kind::kSetTimer, limits_.clean_timeout}, {Kind::kClean}};
}

LifeCycle::Steps LifeCycle::CleanLater(std::string reason, bool goes_on) {
  if (++clean_tries_ >= limits_.max_clean_tries) {
    // The device and the name belong to what is left: without them no attempt can succeed.
    reason_ = std::move(reason);
    phase_ = Phase::kFailed;
    return {{Kind::kClearTimer}};
  }
  if (goes_on) return {{Kind::kSetTimer, limits_.clean_timeout}};
  phase_ = Phase::kWaiting;
  return {{Kind::kSetTimer, Backoff(limits_.first_clean_pause, limits_.max_backoff, clean_tries_)}};
}

LifeCycle::Steps LifeCycle::Next() {
  domid_ = 0;
  remains_ = false;
  clean_tries_ = 0;
  const std::uint32_t allowed = ever_connected_ ? limits_.max_attempts : limits_.max_first_attempts;
  if (give_up_ || attempts_ >= allowed) {
    phase_ = Phase::kFailed;
    return {{Kind::kClearTimer}};
  }
  std::uint32_t pauses = attempts_;
  if (brief_lives_ >= limits_.max_brief_lives) {
    pauses = std::max(pauses, brief_lives_ - limits_.max_brief_lives + 1);
  }
  if (pauses == 0) return Prepare();
  phase_ = Phase::kWaiting;
  return {{Kind::kSetTimer, Backoff(limits_.first_backoff, limits_.max_backoff, pauses)}};
}

LifeCycle::Steps LifeCycle::Start() {
  if (phase_ != Phase::kStopped) return {};
  return Prepare();
}

LifeCycle::Steps LifeCycle::Adopt(std::uint32_t domid) {
  if (phase_ != Phase::kStopped) return {};
  phase_ = Phase::kConnected;
  domid_ = domid;
  ++incarnations_;
  ever_connected_ = true;
  lasting_ = true;
  return {{Kind::kWatch}, {Kind::kAttach}};
}

LifeCycle::Steps LifeCycle::Replace(std::uint32_t domid, std::string reason,
                                    std::chrono::milliseconds delay) {
  if (phase_ != Phase::kStopped) return {};
  domid_ = domid;
  remains_ = true;
  reason_ = std::move(reason);
  died_ = false;
  if (delay.count() == 0) return Clean();
  phase_ = Phase::kWaiting;
  return {{Kind::kSetTimer, delay}};
}

LifeCycle::Steps LifeCycle::OnPrepared() {
  if (phase_ != Phase::kPreparing) return {};
  phase_ = Phase::kCreating;
  // Those that come before it have their limits; its own begins with its turn.
  return {{Kind::kClearTimer}, {Kind::kCreate}};
}

LifeCycle::Steps LifeCycle::OnCreationBegun() {
  if (phase_ != Phase::kCreating) return {};
  return {{Kind::kSetTimer, limits_.create_timeout}};
}

LifeCycle::Steps LifeCycle::OnCreated(std::uint32_t domid) {
  if (phase_ != Phase::kCreating) return {};
  phase_ = Phase::kConnecting;
  domid_ = domid;
  return {{Kind::kSetTimer, limits_.connect_timeout}, {Kind::kConnect}, {Kind::kWatch}};
}

LifeCycle::Steps LifeCycle::OnBackendState(XenbusState state, std::string reason) {
  const bool ended = state == XenbusState::kClosing || state == XenbusState::kClosed;
  if (phase_ == Phase::kConnecting && state == XenbusState::kConnected) {
    phase_ = Phase::kConnected;
    ever_connected_ = true;
    if (limits_.stable_after.count() > 0) {
      return {{Kind::kSetTimer, limits_.stable_after}, {Kind::kAttach}};
    }
    attempts_ = 0;
    return {{Kind::kSetTimer, limits_.brief_life}, {Kind::kAttach}};
  }
  if (phase_ == Phase::kConnecting && ended) {
    return OnFailure(reason.empty() ? "the connection was refused" : std::move(reason));
  }
  if (phase_ == Phase::kConnected && state != XenbusState::kConnected) {
    return OnFailure(reason.empty() ? "the connection ended" : std::move(reason));
  }
  return {};
}

void LifeCycle::OnServing() {
  if (phase_ == Phase::kConnected) serving_ = true;
}

LifeCycle::Steps LifeCycle::OnFailure(std::string reason, bool permanent) {
  switch (phase_) {
    case Phase::kStopped:
    case Phase::kCleaning:
    case Phase::kWaiting:
    case Phase::kFailed:
      return {};
    case Phase::kPreparing:
    case Phase::kCreating:
    case Phase::kConnecting:
      ++attempts_;
      break;
    case Phase::kTakingOver:
      // What the domain itself died of is the better explanation, and told already.
      ++attempts_;
      return Clean();
    case Phase::kConnected:
      if (limits_.stable_after.count() > 0) {
        ++attempts_;
      } else {
        brief_lives_ = lasting_ && serving_ ? 0 : brief_lives_ + 1;
      }
      break;
  }
  const bool take_over = phase_ == Phase::kConnected && standby_ && limits_.restart && !permanent &&
                         brief_lives_ < limits_.max_brief_lives;
  reason_ = std::move(reason);
  died_ = true;
  give_up_ = permanent || !limits_.restart;
  return take_over ? TakeOver() : Clean();
}

LifeCycle::Steps LifeCycle::OnTakenOver(std::uint32_t domid) {
  if (phase_ != Phase::kTakingOver) return {};
  phase_ = Phase::kConnecting;
  domid_ = domid;
  return {{Kind::kSetTimer, std::min(limits_.connect_timeout, limits_.take_over_timeout)},
          {Kind::kWatch}};
}

LifeCycle::Steps LifeCycle::Yield() {
  phase_ = Phase::kStopped;
  domid_ = 0;
  attempts_ = 0;
  return {{Kind::kClearTimer}};
}

LifeCycle::Steps LifeCycle::OnCleaned(bool gone, std::string reason) {
  // Late success is as good.
  if (gone) return remains_ ? Next() : Steps();
  if (phase_ != Phase::kCleaning) return {};
  return CleanLater(std::move(reason), /*goes_on=*/false);
}

LifeCycle::Steps LifeCycle::OnTimer() {
  switch (phase_) {
    case Phase::kPreparing:
      return OnFailure("its device was not ready within " + Seconds(limits_.prepare_timeout));
    case Phase::kCreating:
      return OnFailure("it was not created within " + Seconds(limits_.create_timeout));
    case Phase::kConnecting:
      return OnFailure("it did not connect within " + Seconds(limits_.connect_timeout));
    case Phase::kTakingOver:
      return OnFailure("no standby took over within " + Seconds(limits_.take_over_timeout));
    case Phase::kConnected:
      attempts_ = 0;
      lasting_ = true;
      return {};
    case Phase::kCleaning:
      return CleanLater("it is still being destroyed, which takes too long", /*goes_on=*/true);
    case Phase::kWaiting:
      return remains_ ? Clean() : Prepare();
    case Phase::kStopped:
    case Phase::kFailed:
      return {};
  }
  return {};
}

LifeCycle::Steps LifeCycle::Restart(bool anew) {
  attempts_ = 0;
  brief_lives_ = 0;
  clean_tries_ = 0;
  give_up_ = false;
  switch (phase_) {
    case Phase::kStopped:
    case Phase::kWaiting:
    case Phase::kFailed:
      return remains_ ? Clean() : Prepare();
    case Phase::kPreparing:
    case Phase::kCreating:
    case Phase::kConnecting:
    case Phase::kTakingOver:
    case Phase::kConnected: {
      const bool take_over = phase_ == Phase::kConnected && standby_ && !anew;
      reason_ = "restarted by the operator";
      died_ = false;
      return take_over ? TakeOver() : Clean();
    }
    case Phase::kCleaning:
      return {};
  }
  return {};
}

}  // namespace vos
