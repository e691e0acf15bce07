// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/handshake.h"

#include <format>

namespace vos {

bool HandshakeStep::IsDomains() const {
  return (backend == XenbusState::kInitWait && frontend == XenbusState::kInitialising &&
          introduces) ||
         (backend == XenbusState::kInitialised && frontend == XenbusState::kInitialised);
}

std::optional<std::string> HandshakeCount::Add(const HandshakeStep& step,
                                               const std::optional<DomainSample>& sample,
                                               Clock::time_point now) {
  if (step != last_) {
    last_ = step;
    since_ = now;
    silence_.Clear();
  }
  // Of the end of a domain others tell.
  if (!step.IsDomains() || !sample) return std::nullopt;
  silence_.Add(*sample, now);
  const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
  const bool hangs = silence_.counted() >= (step.finds_device ? kDeviceLimit : kHangLimit) ||
                     passed >= (step.finds_device ? kDeviceLimit : kStepCap);
  if (!hangs) return std::nullopt;
  return std::format("it hangs in the handshake: no step for {} ms, {} ms of them its own time",
                     passed.count(), silence_.counted().count());
}

}  // namespace vos
