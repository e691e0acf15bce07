// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/silence.h"

#include <algorithm>

namespace vos {

void SilenceCount::Add(const DomainSample& sample, Clock::time_point now) {
  // One that comes or goes begins anew.
  if (!begun_ || sample.processors.size() != counted_.size()) {
    counted_.assign(sample.processors.size(), std::chrono::nanoseconds(0));
  } else {
    const std::chrono::nanoseconds passed = now - last_time_;
    for (std::size_t i = 0; i < counted_.size(); ++i) {
      const ProcessorSample& before = last_.processors[i];
      const ProcessorSample& after = sample.processors[i];
      const bool idled = before.blocked && after.blocked && !last_.paused && !sample.paused;
      const auto ran = std::clamp(after.used - before.used, std::chrono::nanoseconds(0), passed);
      counted_[i] += idled ? passed : ran;
    }
  }
  begun_ = true;
  last_time_ = now;
  last_ = sample;
}

void SilenceCount::Clear() {
  begun_ = false;
  counted_.clear();
}

std::chrono::milliseconds SilenceCount::counted() const {
  if (counted_.empty()) return std::chrono::milliseconds(0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      *std::min_element(counted_.begin(), counted_.end()));
}

}  // namespace vos
