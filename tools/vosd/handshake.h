// SPDX-License-Identifier: Apache-2.0
// Is a domain that shakes hands with the primary still at it?
#ifndef VIRTUOS_TOOLS_VOSD_HANDSHAKE_H_
#define VIRTUOS_TOOLS_VOSD_HANDSHAKE_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "tools/vosd/life_cycle.h"
#include "tools/vosd/silence.h"

namespace vos {

// A step of the handshake in which the domain does nothing else takes it some milliseconds. It hangs
// after kHangLimit of its own time, and after kStepCap whatever the reason: as a domain that is
// connected.
inline constexpr std::chrono::milliseconds kStepCap{5000};
// The same thread of its kernel looks for the domain's device, and waits for the device's driver.
inline constexpr std::chrono::milliseconds kDeviceLimit{15'000};

// How far a handshake is, by the nodes in xenstore.
struct HandshakeStep {
  XenbusState frontend = XenbusState::kUnknown;
  XenbusState backend = XenbusState::kUnknown;
  std::size_t keys = 0;       // nodes of the front-end
  bool introduces = false;    // the front-end has begun to say what it speaks
  bool finds_device = false;  // the domain's kernel is at its PCI device

  bool operator==(const HandshakeStep&) const = default;
  // The next step is the domain's. Before that its kernel boots, and what takes long then is no hang.
  bool IsDomains() const;
};

// Counts what a domain does with its time while the next step is its own.
class HandshakeCount {
 public:
  using Clock = SilenceCount::Clock;

  // What is seen at some moment; nothing of the domain's processors if it is gone. Returns why it
  // hangs; nothing: it does not.
  std::optional<std::string> Add(const HandshakeStep& step,
                                 const std::optional<DomainSample>& sample, Clock::time_point now);

 private:
  HandshakeStep last_;
  Clock::time_point since_;
  SilenceCount silence_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_HANDSHAKE_H_
