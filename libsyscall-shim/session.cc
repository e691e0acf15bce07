// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/session.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "kernel/virtuos/common/barrier.h"
#include "libsyscall-shim/copy.h"
#include "libsyscall-shim/kernel_calls.h"

namespace vos::shim {

constinit State* state = nullptr;

#define VOS_FRESH_THREAD_LANE          \
  {.epoch = kNoEpoch,                  \
   .ticket = 0,                        \
   .lane = nullptr,                    \
   .c = nullptr,                       \
   .s = nullptr,                       \
   .chunk = nullptr,                   \
   .index = 0,                         \
   .busy_traps = 0,                    \
   .lane_wait = 0,                     \
   .lane_backoff = 0,                  \
   .linger_rest = 0,                   \
   .linger_backoff = 0,                \
   .calls_to_sample = kCallsPerSample, \
   .sample_interval = kCallsPerSample, \
   .fork_base = nullptr}

constinit thread_local ThreadLane thread_lanes[kDomains] = {VOS_FRESH_THREAD_LANE,
                                                            VOS_FRESH_THREAD_LANE};

namespace {

// In ordinary memory: a child goes on counting where its parent was.
constinit std::atomic<std::uint64_t> last_ticket{0};

// The kernel will not answer otherwise however often it is asked.
bool IsFinal(long error) {
  switch (-error) {
    case EINVAL:  // a kernel without VirtuOS, too
    case ENOSYS:
    case EPERM:
    case EACCES:
    case EOPNOTSUPP:
    case EPROTONOSUPPORT:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

bool IsUsable(const vos_session_header& header) {
  return header.magic == VOS_MAGIC && header.abi_version == VOS_ABI_VERSION &&
         header.user_lane_depth == VOS_USER_LANE_DEPTH &&
         header.fdmap_entries <= VOS_FDMAP_ENTRIES && header.chunk_bytes >= VOS_PAGE_SIZE &&
         header.chunk_bytes <= VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE && header.extents >= 1 &&
         header.extents <= VOS_MAX_EXTENTS;
}

// 0, or -errno.
long Enter(Domain domain, Session& session) {
  vos_enter enter{};
  enter.abi_version = VOS_ABI_VERSION;
  enter.domain = KindOf(domain);
  long error = kernel.virtuos(VOS_CALL_ENTER, reinterpret_cast<unsigned long>(&enter));
  if (error < 0) return error;
  ChooseCopy();
  vos_copy_range range{};
  range.start = reinterpret_cast<std::uint64_t>(vos_copy_start);
  range.end = reinterpret_cast<std::uint64_t>(vos_copy_end);
  range.abort = reinterpret_cast<std::uint64_t>(vos_copy_abort);
  error = kernel.virtuos(VOS_CALL_COPY_RANGE, reinterpret_cast<unsigned long>(&range));
  // Without it a bad pointer would kill the program.
  if (error < 0) return -EPERM;

  session.kind = enter.domain;
  session.base = reinterpret_cast<std::byte*>(enter.base);
  const vos_session_header& header = *HeaderOf(session.base);
  if (!IsUsable(header)) return -EPROTO;
  session.fdmap_entries = header.fdmap_entries;
  session.chunk_bytes = header.chunk_bytes;
  const std::uint32_t extents = header.extents;
  session.extents.store(extents, std::memory_order_relaxed);
  const std::uint32_t lanes = extents * VOS_EXTENT_LANES;
  session.free_lanes.store(~0ull >> (64 - lanes), std::memory_order_relaxed);
  session.epoch = NextTicket();
  return 0;
}

std::uint32_t TrapsBeforeAttempt(const DomainState& of) {
  const std::uint32_t failures = of.failures.load(std::memory_order_relaxed);
  if (failures == 0 && of.sessions.load(std::memory_order_relaxed) == 0) {
    return kTrapsBeforeSession;
  }
  return kTrapsBeforeRetry << 2 * (std::max(failures, 1u) - 1);
}

// Under state->entering, with signals blocked.
void AttemptSession(Domain domain) {
  // A child of vfork() runs in its parent's memory; a session here would be its parent's.
  const int process_id = kernel.process_id();
  int known = 0;
  if (!state->process_id.compare_exchange_strong(known, process_id, std::memory_order_relaxed) &&
      known != process_id) {
    return;
  }
  DomainState& of = StateOf(domain);
  Session* const old = of.current.load(std::memory_order_relaxed);
  if (old != nullptr && vos_load(&HeaderOf(old->base)->dead) == 0) return;
  of.score.store(0, std::memory_order_relaxed);

  const std::uint32_t index = of.sessions.load(std::memory_order_relaxed);
  if (index == kMaxSessions) {
    of.refused.store(true, std::memory_order_relaxed);
    return;
  }
  Session& session = of.session[index];
  const long error = Enter(domain, session);
  if (error < 0) {
    state->refusals.fetch_add(1, std::memory_order_relaxed);
    const std::uint32_t failures = of.failures.fetch_add(1, std::memory_order_relaxed) + 1;
    if (IsFinal(error) || failures >= kMaxEnterFailures) {
      of.refused.store(true, std::memory_order_relaxed);
    }
    return;
  }
  of.failures.store(0, std::memory_order_relaxed);
  of.sessions.store(index + 1, std::memory_order_relaxed);
  of.current.store(&session, std::memory_order_release);
}

enum class Served { kYes, kNo, kNever };

// Would a session with this domain serve calls on this descriptor?
Served LookAt(Domain domain, int fd) {
  if (domain == Domain::kNetwork) {
    const int family = kernel.socket_domain(fd);
    return family == AF_INET || family == AF_INET6 ? Served::kYes : Served::kNo;
  }
  // A file says nothing of itself that tells whose it is.
  const long serving =
      kernel.virtuos(VOS_CALL_SERVING, static_cast<unsigned long>(static_cast<unsigned>(fd)));
  if (serving == static_cast<long>(KindOf(domain))) return Served::kYes;
  return serving < 0 && IsFinal(serving) ? Served::kNever : Served::kNo;
}

}  // namespace

void InitializeState() { state = static_cast<State*>(MapForkWipedMemory(sizeof(State))); }

std::uint64_t NextTicket() { return last_ticket.fetch_add(1, std::memory_order_relaxed) + 1; }

void SampleTrappedCall(Domain domain, int fd) {
  ThreadLane& thread = ThreadLaneOf(domain);
  DomainState& of = StateOf(domain);
  if (of.refused.load(std::memory_order_relaxed)) {
    thread.calls_to_sample = std::numeric_limits<std::int32_t>::max();
    return;
  }
  switch (LookAt(domain, fd)) {
    case Served::kNever:
      of.refused.store(true, std::memory_order_relaxed);
      return;
    case Served::kNo:
      thread.sample_interval = std::min(thread.sample_interval * 2, kMaxCallsPerSample);
      thread.calls_to_sample = thread.sample_interval;
      return;
    case Served::kYes:
      break;
  }
  thread.sample_interval = kCallsPerSample;
  thread.calls_to_sample = kCallsPerSample;
  const std::uint32_t score =
      of.score.fetch_add(kCallsPerSample, std::memory_order_relaxed) + kCallsPerSample;
  if (score < TrapsBeforeAttempt(of)) return;

  const SignalBlock block;
  if (!block.holds()) return;
  if (state->entering.exchange(true, std::memory_order_acquire)) return;
  AttemptSession(domain);
  state->entering.store(false, std::memory_order_release);
}

void NoteFileSizeLimit() {
  if (state == nullptr) return;
  // Pairs with the exchange of `entering`: either we see it, or the kernel the limit when it is
  // asked for the session.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!state->entering.load() && StateOf(Domain::kStorage).current.load() == nullptr) return;
  // Of all calls the one without a consequence: it rings for lane 0.
  kernel.virtuos(VOS_CALL_KICK, vos_call_arg(VOS_DOMAIN_STORAGE, 0, 0, 0));
}

}  // namespace vos::shim
