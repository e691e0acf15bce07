// SPDX-License-Identifier: Apache-2.0
// What a process has: its user sessions, one with each kind of domain, the lanes of them, and when
// to ask for one.
//
// The sessions know nothing of each other: calls on sockets look for the network domain's, calls on
// files for the storage domain's, and a thread has a lane of each. All of it lies in memory that a
// forked child finds zeroed (State), or is thread-local and tied to a session's epoch, which is
// never used twice in a process and its children. So a child, even of a raw clone(), has no session
// and believes nothing of its parent's, whose mapping it does not have.
#ifndef VIRTUOS_LIBSYSCALL_SHIM_SESSION_H_
#define VIRTUOS_LIBSYSCALL_SHIM_SESSION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernel/virtuos/abi/virtuos.h"
#include "libsyscall-shim/kernel_calls.h"

namespace vos::shim {

// The kinds of domain a process can have a session with.
enum class Domain : std::uint8_t { kNetwork, kStorage };
inline constexpr std::size_t kDomains = 2;
inline constexpr Domain kAllDomains[kDomains] = {Domain::kNetwork, Domain::kStorage};

// VOS_DOMAIN_* of a kind.
constexpr std::uint32_t KindOf(Domain domain) {
  return domain == Domain::kNetwork ? VOS_DOMAIN_NETWORK : VOS_DOMAIN_STORAGE;
}

// Calls that a session would serve, which a process makes by trap before it asks for one: data
// calls on Internet sockets; positioned ones and syncs on files of the domain.
inline constexpr std::uint32_t kTrapsBeforeSession = 16;
// Every so many data calls of a thread without the session, one is looked at: would the session
// serve it? It then stands for all of them.
inline constexpr std::int32_t kCallsPerSample = 8;
// The interval doubles up to this while samples are of other descriptors, so that a program without
// such descriptors pays a few small system calls in a thousand.
inline constexpr std::int32_t kMaxCallsPerSample = 1024;
// Failed attempts to get a session before a process gives up, and the sampled calls before the
// second; each further one waits four times as many.
inline constexpr std::uint32_t kMaxEnterFailures = 8;
inline constexpr std::uint32_t kTrapsBeforeRetry = 1024;
// Sessions of one process with one kind of domain, one after the other; a dead one stays mapped
// (threads may look at it).
inline constexpr std::uint32_t kMaxSessions = 4;

// Why a call on a redirected descriptor was left to an ordinary system call. The order is that of
// the fields of struct vos_shim_counters.
enum class TrapReason : std::uint8_t {
  kNoSession,
  kSuspended,
  kArguments,
  kSize,
  kFault,
  kBusy,
  kNoLane,
  kWouldBlock,
  kEnd,
  kService,
  kLost,
};
inline constexpr std::size_t kTrapReasons = static_cast<std::size_t>(TrapReason::kLost) + 1;

// One lane of a session, our private side of it. Its owner alone writes it, except `frame` and
// `in_flight` of a lane whose owner is gone. Atomic because handlers and reclaiming threads look.
struct alignas(64) Lane {
  // Of its present owner; unique per acquisition, also across fork. 0: free.
  std::atomic<std::uint64_t> ticket;
  // Frame address of the call that uses the lane now, 0 between calls. A handler that finds it set
  // has interrupted that call.
  std::atomic<std::uintptr_t> frame;
  // vos_lane_position, turn in the high half.
  std::atomic<std::uint64_t> position;
  std::atomic<std::int32_t> owner;  // thread id
  // Non-zero from before a request is published until its completion was copied.
  std::atomic<std::uint32_t> in_flight;
  // Counters; ever since the session began.
  std::atomic<std::uint64_t> calls;
  std::atomic<std::uint64_t> doorbells;
};

// A session. Set up before it is published in DomainState::current; constant afterwards but for the
// atomics.
struct Session {
  std::uint64_t epoch;  // 0 only once wiped
  std::uint32_t kind;   // VOS_DOMAIN_*; 0 only once wiped
  std::byte* base;
  std::uint32_t fdmap_entries;
  std::uint32_t chunk_bytes;
  std::atomic<std::uint32_t> extents;
  // One thread at a time extends and reclaims; others don't wait for it.
  std::atomic<bool> maintained;
  // A bit per free lane.
  std::atomic<std::uint64_t> free_lanes;
  Lane lane[VOS_MAX_USER_LANES];
};

// Places in the mapping of a session.
inline const vos_session_header* HeaderOf(const std::byte* base) {
  return reinterpret_cast<const vos_session_header*>(base + VOS_MAP_HEADER * VOS_PAGE_SIZE);
}
inline const vos_fdmap_entry* FdMapOf(const std::byte* base) {
  return reinterpret_cast<const vos_fdmap_entry*>(base + VOS_MAP_FDMAP * VOS_PAGE_SIZE);
}
inline vos_extent_c* ExtentC(std::byte* base, std::uint32_t extent) {
  return reinterpret_cast<vos_extent_c*>(base + VOS_MAP_EXTENT(extent) * VOS_PAGE_SIZE);
}
inline vos_extent_s* ExtentS(std::byte* base, std::uint32_t extent) {
  return reinterpret_cast<vos_extent_s*>(base + (VOS_MAP_EXTENT(extent) + 1) * VOS_PAGE_SIZE);
}
inline vos_user_lane_c* LaneC(std::byte* base, std::uint32_t lane) {
  return &ExtentC(base, lane / VOS_EXTENT_LANES)->lane[lane % VOS_EXTENT_LANES];
}
inline vos_user_lane_s* LaneS(std::byte* base, std::uint32_t lane) {
  return &ExtentS(base, lane / VOS_EXTENT_LANES)->lane[lane % VOS_EXTENT_LANES];
}
inline std::byte* LaneChunk(std::byte* base, std::uint32_t lane) {
  const std::uint32_t page =
      VOS_MAP_EXTENT(lane / VOS_EXTENT_LANES) + 2 + lane % VOS_EXTENT_LANES * VOS_USER_CHUNK_PAGES;
  return base + static_cast<std::size_t>(page) * VOS_PAGE_SIZE;
}

// What there is of one kind of domain.
struct DomainState {
  std::atomic<Session*> current;     // nullptr: none yet, or none any more
  std::atomic<bool> refused;         // for good
  std::atomic<std::uint32_t> score;  // sampled calls it would serve since the last attempt
  std::atomic<std::uint32_t> failures;
  std::atomic<std::uint32_t> sessions;
  Session session[kMaxSessions];
};

struct State {
  std::atomic<bool> entering;  // a thread asks for a session, with whatever domain
  std::atomic<std::int32_t> process_id;
  std::atomic<std::uint64_t> fast_continued;
  std::atomic<std::uint64_t> kicks;
  std::atomic<std::uint64_t> waits;
  std::atomic<std::uint64_t> yields;
  std::atomic<std::uint64_t> refusals;
  std::atomic<std::uint64_t> lanes;
  std::atomic<std::uint64_t> lanes_reclaimed;
  std::atomic<std::uint64_t> traps[kTrapReasons];
  DomainState domain[kDomains];
};

// nullptr: the shim is off.
extern constinit State* state;

inline DomainState& StateOf(Domain domain) {
  return state->domain[static_cast<std::size_t>(domain)];
}

// What a thread keeps for one kind of domain. Not wiped by fork, hence valid only while `epoch` is
// the session's.
inline constexpr std::uint64_t kNoEpoch = ~0ull;
struct ThreadLane {
  std::uint64_t epoch;
  std::uint64_t ticket;
  Lane* lane;
  vos_user_lane_c* c;
  vos_user_lane_s* s;
  std::byte* chunk;
  std::uint32_t index;
  std::uint32_t busy_traps;    // calls that found the lane busy, in a row
  std::uint32_t lane_wait;     // calls to let pass before looking for a lane again
  std::uint32_t lane_backoff;  // how many after the next failure
  std::uint32_t linger_rest;   // receives that would block to let pass before lingering again
  std::uint32_t linger_backoff;
  std::int32_t calls_to_sample;
  std::int32_t sample_interval;
  std::byte* fork_base;  // set while forking
};

extern constinit thread_local ThreadLane thread_lanes[kDomains]
    __attribute__((tls_model("initial-exec")));

inline ThreadLane& ThreadLaneOf(Domain domain) {
  return thread_lanes[static_cast<std::size_t>(domain)];
}

// Maps State. Until then, and where it fails, the shim is off.
void InitializeState();

// A number never returned before in this process or its ancestors since the program started.
std::uint64_t NextTicket();

inline void Count(TrapReason reason) {
  state->traps[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
}

// A call that this domain might serve goes by trap for want of a session; now and then that leads
// to one.
void SampleTrappedCall(Domain domain, int fd);
inline void NoteCallWithoutSession(Domain domain, int fd) {
  if (--ThreadLaneOf(domain).calls_to_sample <= 0) [[unlikely]]
    SampleTrappedCall(domain, fd);
}

// The limit of the size of files was set. The kernel, which looks at it in the calls of a session
// with a storage domain, is given the occasion.
void NoteFileSizeLimit();

// What a descriptor is redirected to.
struct Target {
  Session* session;
  ThreadLane* thread;
  std::byte* base;
  std::uint64_t handle;
  std::uint32_t chunk_bytes;
  std::uint32_t kind;  // VOS_KIND_*
};

// What domain serves of a descriptor. False: an ordinary system call is to be made.
inline bool FindTarget(Domain domain, int fd, Target& target) {
  if (state == nullptr || !MayBeginCalls()) [[unlikely]]
    return false;
  Session* const session = StateOf(domain).current.load(std::memory_order_acquire);
  if (session == nullptr) {
    NoteCallWithoutSession(domain, fd);
    return false;
  }
  // In this order: a child forked by a handler in between finds no entries.
  std::byte* const base = session->base;
  const std::uint32_t chunk_bytes = session->chunk_bytes;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (static_cast<std::uint32_t>(fd) >= session->fdmap_entries) return false;
  const vos_fdmap_entry& entry = FdMapOf(base)[fd];
  // Acquire, pairs with the release in vos_fdmap_set() of the primary; and what follows is loaded
  // after the map. `suspended` must be: a child of vfork() that sees its own or its parent's map
  // sees suspended raised before it ran.
  const std::uint64_t handle = __atomic_load_n(&entry.handle, __ATOMIC_ACQUIRE);
  const std::uint32_t kind = __atomic_load_n(&entry.kind, __ATOMIC_ACQUIRE);
  const vos_session_header& header = *HeaderOf(base);
  if (__atomic_load_n(&header.dead, __ATOMIC_RELAXED) != 0) [[unlikely]] {
    // The kernel clears the map afterwards: then nobody knows what the descriptor would be.
    if (handle != VOS_HANDLE_NONE) Count(TrapReason::kNoSession);
    NoteCallWithoutSession(domain, fd);
    return false;
  }
  if (handle == VOS_HANDLE_NONE) return false;
  if (__atomic_load_n(&header.suspended, __ATOMIC_RELAXED) != 0) [[unlikely]] {
    Count(TrapReason::kSuspended);
    return false;
  }
  // Handles are never used twice, so kind is this handle's if the handle is still there.
  if (__atomic_load_n(&entry.handle, __ATOMIC_RELAXED) != handle) [[unlikely]] {
    Count(TrapReason::kService);
    return false;
  }
  target = {.session = session,
            .thread = &ThreadLaneOf(domain),
            .base = base,
            .handle = handle,
            .chunk_bytes = chunk_bytes,
            .kind = kind};
  return true;
}

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_SESSION_H_
