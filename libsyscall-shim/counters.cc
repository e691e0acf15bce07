// SPDX-License-Identifier: Apache-2.0
#include <cstddef>

#include "libsyscall-shim/include/virtuos/shim.h"
#include "libsyscall-shim/session.h"

namespace {

using vos::shim::Domain;
using vos::shim::DomainState;
using vos::shim::kAllDomains;
using vos::shim::Lane;
using vos::shim::state;
using vos::shim::StateOf;
using vos::shim::TrapReason;

constexpr auto kRelaxed = std::memory_order_relaxed;

std::uint64_t Traps(TrapReason reason) {
  return state->traps[static_cast<std::size_t>(reason)].load(kRelaxed);
}

}  // namespace

extern "C" [[gnu::visibility("default")]] void vos_shim_counters(
    struct vos_shim_counters* counters) {
  *counters = {};
  if (state == nullptr) return;
  for (const Domain domain : kAllDomains) {
    const DomainState& of = StateOf(domain);
    const std::uint32_t sessions = of.sessions.load(kRelaxed);
    std::uint64_t fast = 0;
    for (std::uint32_t i = 0; i < sessions; ++i) {
      for (const Lane& lane : of.session[i].lane) {
        fast += lane.calls.load(kRelaxed);
        counters->doorbells += lane.doorbells.load(kRelaxed);
      }
    }
    counters->fast += fast;
    counters->sessions += sessions;
    if (domain == Domain::kStorage) {
      counters->file_fast = fast;
      counters->file_sessions = sessions;
    }
  }
  counters->fast_continued = state->fast_continued.load(kRelaxed);
  counters->kicks = state->kicks.load(kRelaxed);
  counters->waits = state->waits.load(kRelaxed);
  counters->yields = state->yields.load(kRelaxed);
  counters->session_refusals = state->refusals.load(kRelaxed);
  counters->lanes = state->lanes.load(kRelaxed);
  counters->lanes_reclaimed = state->lanes_reclaimed.load(kRelaxed);
  counters->trap_no_session = Traps(TrapReason::kNoSession);
  counters->trap_suspended = Traps(TrapReason::kSuspended);
  counters->trap_arguments = Traps(TrapReason::kArguments);
  counters->trap_size = Traps(TrapReason::kSize);
  counters->trap_fault = Traps(TrapReason::kFault);
  counters->trap_busy = Traps(TrapReason::kBusy);
  counters->trap_no_lane = Traps(TrapReason::kNoLane);
  counters->trap_would_block = Traps(TrapReason::kWouldBlock);
  counters->trap_end = Traps(TrapReason::kEnd);
  counters->trap_service = Traps(TrapReason::kService);
  counters->trap_lost = Traps(TrapReason::kLost);
}
