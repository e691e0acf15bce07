// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/client_lane.h"

#include <x86intrin.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "libsyscall-shim/kernel_calls.h"

namespace vos::shim {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Looks for a completion between two pauses with a reading of the clock. A look is a load of a line
// that stays in this processor's cache until the completion comes; those two take as long as many
// looks, and nothing is seen meanwhile.
constexpr int kLooksPerPause = 32;

// Between this thread and its own handlers only.
inline void HandlerFence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

vos_lane_position LoadPosition(const Lane& lane) {
  const std::uint64_t value = lane.position.load(kRelaxed);
  return {.entry = static_cast<std::uint32_t>(value),
          .turn = static_cast<std::uint32_t>(value >> 32)};
}

void StorePosition(Lane& lane, vos_lane_position position) {
  lane.position.store(static_cast<std::uint64_t>(position.turn) << 32 | position.entry, kRelaxed);
}

void Advance(Lane& lane, vos_lane_position position) {
  vos_lane_advance(&position, VOS_USER_LANE_DEPTH);
  StorePosition(lane, position);
}

// The owner adds 1 to its doorbell; if nobody looks at this session's doorbells, the kernel rings.
// base: of the session before a fork, should there have been one.
void Ring(const Session& session, std::byte* base, std::uint32_t index) {
  std::uint8_t* const doorbell = &ExtentC(base, 0)->doorbell[index];
  vos_store_release(doorbell, static_cast<std::uint8_t>(vos_load(doorbell) + 1));
  // Pairs with the barriers between storing `active` and looking at the doorbells, in
  // vos_poller_activate() and vos_poller_deactivate() of the service.
  vos_full_barrier();
  const std::uint32_t poller = vos_load(&LaneS(base, index)->status.poller);
  if (poller < VOS_MAX_POLLERS && vos_load(&ExtentS(base, 0)->active[poller]) != 0) return;
  state->kicks.fetch_add(1, kRelaxed);
  kernel.virtuos(VOS_CALL_KICK, vos_call_arg(session.kind, index, 0, 0));
}

// Waits out, without blocking, what a call that never returned left on its lane. False: it is not
// complete yet.
bool Drain(const Session& session, std::byte* base, std::uint32_t index, Lane& lane) {
  if (lane.in_flight.load(kRelaxed) == 0) return true;
  const vos_lane_position position = LoadPosition(lane);
  const vos_user_lane_s& s = *LaneS(base, index);
  // Only this process writes requests, so this says whether the lost call came as far as that.
  if (vos_load(&LaneC(base, index)->request[position.entry].turn) == position.turn) {
    if (!vos_lane_completed(&s.completion[position.entry], position.turn)) {
      if (vos_lane_needs_doorbell(&s.status)) Ring(session, base, index);
      return false;
    }
    Advance(lane, position);
  }
  lane.in_flight.store(0, kRelaxed);
  return true;
}

void FreeLane(Session& session, std::uint32_t index) {
  Lane& lane = session.lane[index];
  lane.owner.store(0, kRelaxed);
  lane.frame.store(0, kRelaxed);
  lane.ticket.store(0, kRelaxed);
  session.free_lanes.fetch_or(1ull << index, std::memory_order_release);
}

// The index, or VOS_MAX_USER_LANES.
std::uint32_t TakeFreeLane(Session& session) {
  std::uint64_t free = session.free_lanes.load(kRelaxed);
  while (free != 0) {
    if (session.free_lanes.compare_exchange_weak(free, free & (free - 1), std::memory_order_acquire,
                                                 kRelaxed)) {
      return static_cast<std::uint32_t>(std::countr_zero(free));
    }
  }
  return VOS_MAX_USER_LANES;
}

// Is what this lane was last used for over, although its owner did not say so? frame: of the
// calling thread's call.
bool IsAbandoned(const Lane& lane, int self, std::uintptr_t frame) {
  const std::int32_t owner = lane.owner.load(std::memory_order_acquire);
  if (owner == 0) return false;  // just being taken
  if (owner != self) return !kernel.thread_exists(owner);
  // Ours, from before a handler's jump or of an earlier thread with our id, but not our present
  // one. A frame no higher than a caller of ours is gone, if it is all one stack.
  const std::uintptr_t lane_frame = lane.frame.load(kRelaxed);
  return lane_frame == 0 || (frame + kFrameSlack >= lane_frame && !kernel.on_signal_stack());
}

// Takes back lanes of ended threads and of calls that were jumped out of. Under maintained.
void ReclaimLanes(Session& session, const ThreadLane& thread, int self, std::uintptr_t frame) {
  const std::uint32_t lanes = session.extents.load(kRelaxed) * VOS_EXTENT_LANES;
  const std::uint64_t free = session.free_lanes.load(std::memory_order_acquire);
  for (std::uint32_t index = 0; index < lanes; ++index) {
    Lane& lane = session.lane[index];
    if ((free >> index & 1) != 0) continue;
    if (thread.epoch == session.epoch && thread.lane == &lane) continue;
    if (!IsAbandoned(lane, self, frame) || !Drain(session, session.base, index, lane)) {
      continue;
    }
    state->lanes_reclaimed.fetch_add(1, kRelaxed);
    FreeLane(session, index);
  }
}

// Under maintained.
void Extend(Session& session) {
  const std::uint32_t extents = session.extents.load(kRelaxed);
  if (extents == VOS_MAX_EXTENTS) return;
  const long index = kernel.virtuos(VOS_CALL_EXTEND, vos_call_arg(session.kind, 0, 0, 0));
  if (index != static_cast<long>(extents)) return;
  session.extents.store(extents + 1, kRelaxed);
  const std::uint64_t lanes = (1ull << VOS_EXTENT_LANES) - 1;
  session.free_lanes.fetch_or(lanes << extents * VOS_EXTENT_LANES, std::memory_order_release);
}

std::uint32_t FindLane(Session& session, const ThreadLane& thread, std::uintptr_t frame) {
  std::uint32_t index = TakeFreeLane(session);
  if (index != VOS_MAX_USER_LANES) return index;
  if (session.maintained.exchange(true, std::memory_order_acquire)) return index;
  ReclaimLanes(session, thread, kernel.thread_id(), frame);
  index = TakeFreeLane(session);
  if (index == VOS_MAX_USER_LANES) {
    Extend(session);
    index = TakeFreeLane(session);
  }
  session.maintained.store(false, std::memory_order_release);
  return index;
}

// Gives this thread a lane in place of the one it has, if any.
bool Attach(Session& session, ThreadLane& thread, std::uintptr_t frame) {
  if (thread.lane_wait != 0) {
    --thread.lane_wait;
    return false;
  }
  const SignalBlock block;
  if (!block.holds()) return false;
  const std::uint32_t index = FindLane(session, thread, frame);
  if (index == VOS_MAX_USER_LANES) {
    thread.lane_backoff = std::clamp(thread.lane_backoff * 2, kMinLaneBackoff, kMaxLaneBackoff);
    thread.lane_wait = thread.lane_backoff;
    return false;
  }
  thread.lane_backoff = 0;
  Lane& lane = session.lane[index];
  if (lane.position.load(kRelaxed) == 0) {
    vos_lane_position first;
    vos_lane_position_reset(&first);
    StorePosition(lane, first);
  }
  const std::uint64_t ticket = NextTicket();
  lane.ticket.store(ticket, kRelaxed);
  lane.owner.store(kernel.thread_id(), std::memory_order_release);
  thread.lane = &lane;
  thread.index = index;
  thread.c = LaneC(session.base, index);
  thread.s = LaneS(session.base, index);
  thread.chunk = LaneChunk(session.base, index);
  thread.ticket = ticket;
  thread.busy_traps = 0;
  thread.epoch = session.epoch;
  state->lanes.fetch_add(1, kRelaxed);
  return true;
}

// This thread's lane is busy: with a call that we interrupted, or with one that was jumped out of.
// True: the thread has a lane it can use.
bool Recover(Session& session, ThreadLane& thread, std::uintptr_t frame) {
  Lane& lane = *thread.lane;
  ++thread.busy_traps;
  if (frame + kFrameSlack >= lane.frame.load(kRelaxed) && !kernel.on_signal_stack()) {
    const SignalBlock block;
    if (block.holds() && Drain(session, session.base, thread.index, lane)) {
      // A new ticket: should the lost call go on after all, it sees that the lane is not its own.
      thread.ticket = NextTicket();
      lane.ticket.store(thread.ticket, kRelaxed);
      lane.frame.store(0, kRelaxed);
      thread.busy_traps = 0;
      state->lanes_reclaimed.fetch_add(1, kRelaxed);
      return true;
    }
  }
  // The old lane stays ours until its call ends (~ClientLane) or turns out to be lost
  // (ReclaimLanes).
  return thread.busy_traps > kBusyTrapsBeforeAnotherLane && Attach(session, thread, frame);
}

}  // namespace

ClientLane::ClientLane(const Target& target, std::uintptr_t frame)
    : session_(*target.session), thread_(*target.thread), base_(target.base) {
  if (thread_.epoch != session_.epoch) [[unlikely]] {
    if (!Attach(session_, thread_, frame)) {
      Count(TrapReason::kNoLane);
      return;
    }
  }
  if (thread_.lane->frame.load(kRelaxed) != 0) [[unlikely]] {
    if (!Recover(session_, thread_, frame)) {
      Count(TrapReason::kBusy);
      return;
    }
  }
  if (!Claim(frame)) [[unlikely]]
    Count(TrapReason::kBusy);
}

// Handlers may run whole calls between any two instructions here, and give the thread another lane.
bool ClientLane::Claim(std::uintptr_t frame) {
  const ThreadLane& thread = thread_;
  Lane* const lane = thread.lane;
  lane->frame.store(frame, kRelaxed);
  HandlerFence();
  // From here on handlers leave this lane alone, and the thread's fields too unless they replace
  // it.
  c_ = thread.c;
  s_ = thread.s;
  chunk_ = thread.chunk;
  index_ = thread.index;
  ticket_ = thread.ticket;
  HandlerFence();
  if (thread.lane != lane || thread.epoch != session_.epoch) {
    lane->frame.store(0, kRelaxed);
    return false;
  }
  lane_ = lane;
  return true;
}

ClientLane::~ClientLane() {
  if (lane_ == nullptr || !mine()) return;
  HandlerFence();
  lane_->frame.store(0, kRelaxed);
  HandlerFence();
  // A handler that ran for long took another lane: this one is nobody's now.
  if (thread_.lane != lane_ && lane_->in_flight.load(kRelaxed) == 0) [[unlikely]] {
    FreeLane(session_, index_);
  }
}

Exchange ClientLane::Run(const vos_request& request, Patience patience,
                         vos_completion& completion) {
  // False in a child made by a handler that interrupted us.
  if (!mine()) [[unlikely]]
    return Exchange::kNotSent;
  // Only after a call that was lost, although the session lives.
  if (lane_->in_flight.load(kRelaxed) != 0 && !Drain(session_, base_, index_, *lane_))
      [[unlikely]] {
    return Exchange::kNotSent;
  }
  const vos_lane_position position = LoadPosition(*lane_);
  const vos_completion& slot = s_->completion[position.entry];
  lane_->in_flight.store(1, kRelaxed);
  HandlerFence();
  vos_lane_publish(&c_->request[position.entry], &request, position.turn);
  if (vos_lane_needs_doorbell(&s_->status)) {
    lane_->doorbells.store(lane_->doorbells.load(kRelaxed) + 1, kRelaxed);
    Ring(session_, base_, index_);
  }
  if (!AwaitCompletion(slot, position, patience)) return Exchange::kLost;
  vos_lane_copy_completion(&completion, &slot);
  if (!mine()) [[unlikely]]
    return Exchange::kLost;
  Advance(*lane_, position);
  HandlerFence();
  lane_->in_flight.store(0, kRelaxed);
  return Exchange::kCompleted;
}

bool ClientLane::AwaitCompletion(const vos_completion& slot, vos_lane_position position,
                                 Patience patience) {
  std::uint64_t budget = vos_load(&HeaderOf(base_)->spin_cycles);
  if (patience == Patience::kDisk) budget >>= kDiskSpinShift;
  const std::uint64_t start = __rdtsc();
  do {
    for (int look = 0; look < kLooksPerPause; ++look) {
      if (vos_lane_completed(&slot, position.turn)) return true;
    }
    _mm_pause();
  } while (__rdtsc() - start < budget);

  std::uint32_t empty_wakes = 0;
  while (empty_wakes < kMaxEmptyWakes) {
    // Closed: nothing completes any more, and the kernel may have another session in its place.
    // Pairs with the release in vos_session_close() of the primary.
    if (vos_load_acquire(&HeaderOf(base_)->dead) == VOS_DEAD_CLOSED) {
      return vos_lane_completed(&slot, position.turn);
    }
    // The kernel arms the lane and looks again before it lets us sleep.
    state->waits.fetch_add(1, kRelaxed);
    const long result = kernel.virtuos(
        VOS_CALL_WAIT, vos_call_arg(session_.kind, index_, position.entry, position.turn));
    if (vos_lane_completed(&slot, position.turn)) return true;
    // A handler ran. The request is out and is never abandoned.
    if (result == -EINTR) continue;
    if (result != 0) return false;
    ++empty_wakes;
  }
  return false;
}

void BeforeFork() {
  for (const Domain domain : kAllDomains) {
    const Session* const session = StateOf(domain).current.load(std::memory_order_acquire);
    ThreadLaneOf(domain).fork_base = session == nullptr ? nullptr : session->base;
  }
}

void AfterForkInParent() {
  for (const Domain domain : kAllDomains) ThreadLaneOf(domain).fork_base = nullptr;
}

void AfterForkInChild() {
  for (const Domain domain : kAllDomains) {
    std::byte* const base = ThreadLaneOf(domain).fork_base;
    ThreadLaneOf(domain).fork_base = nullptr;
    if (base == nullptr) continue;
    MapZeroedMemoryAt(base, static_cast<std::size_t>(VOS_MAP_PAGES) * VOS_PAGE_SIZE);
  }
}

}  // namespace vos::shim
