// SPDX-License-Identifier: Apache-2.0
// The client half of a lane: having one, sending a request over it, waiting for the completion.
//
// A thread takes a lane of a session at its first call and keeps it. Nothing happens when a thread
// ends: the lanes of ended threads are found, by asking the kernel whether their owners exist, when
// lanes run out. (A destructor of thread-local storage would have to be set up by
// pthread_setspecific(), which may allocate, in whatever handler the first call happens to be; and
// it would not run for threads made by a raw clone().)
//
// A handler may interrupt a call anywhere and
//  - make calls of its own: it finds the lane busy and traps;
//  - jump out, and the interrupted call never goes on: the lane stays busy. The thread notices at a
//    call made from no deeper than the lost one, waits out what the lost one had published, and
//    uses the lane again. At calls from deeper it cannot know, and takes another lane after
//    kBusyTrapsBeforeAnotherLane; that is safe whatever happened. See ReclaimLanes().
#ifndef VIRTUOS_LIBSYSCALL_SHIM_CLIENT_LANE_H_
#define VIRTUOS_LIBSYSCALL_SHIM_CLIENT_LANE_H_

#include <cstddef>
#include <cstdint>

#include "kernel/virtuos/abi/virtuos.h"
#include "kernel/virtuos/common/lane.h"
#include "libsyscall-shim/session.h"

namespace vos::shim {

inline constexpr std::uint32_t kBusyTrapsBeforeAnotherLane = 64;
// Calls a thread lets pass before it looks for a lane again, doubled at each failure.
inline constexpr std::uint32_t kMinLaneBackoff = 64;
inline constexpr std::uint32_t kMaxLaneBackoff = 65536;
// VOS_CALL_WAIT may say so often that the entry is complete when it is not.
inline constexpr std::uint32_t kMaxEmptyWakes = 16;
// Frame addresses of the interposed functions called from one place differ by less. A handler's
// frame is further away: the red zone and the signal frame lie between.
inline constexpr std::uintptr_t kFrameSlack = 128;

enum class Exchange {
  kCompleted,
  kNotSent,  // nothing was published
  kLost,     // the session died; the operation may have happened or not, but will not any more
};

// How long a completion is spun for before the thread goes to sleep, which costs a system call.
enum class Patience {
  kUsual,  // vos_session_header.spin_cycles: what memory and a worker at hand can do
  kDisk,   // a fraction: either there is nothing to be done, or it takes the disk its time
};
inline constexpr int kDiskSpinShift = 3;

// The lane of this thread, for the time of one call. Not cleaned up when a handler jumps away.
class ClientLane {
 public:
  // frame: the frame address of the outermost function of the shim.
  ClientLane(const Target& target, std::uintptr_t frame);
  ~ClientLane();
  ClientLane(const ClientLane&) = delete;
  ClientLane& operator=(const ClientLane&) = delete;

  // Otherwise the trap has been counted.
  bool usable() const { return lane_ != nullptr; }
  // False: a handler did not find out that it had interrupted this call, took it for one that was
  // jumped out of, and used its lane. What has been read from the arena may be the handler's.
  bool mine() const { return lane_->ticket.load(std::memory_order_relaxed) == ticket_; }
  // The lane's arena; request offsets count from here.
  std::byte* chunk() const { return chunk_; }

  // Publishes the request and waits. completion is a private copy, its fields are the service's.
  Exchange Run(const vos_request& request, Patience patience, vos_completion& completion);
  // The call was answered by what Run() gave.
  void CountAnswer() {
    lane_->calls.store(lane_->calls.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

 private:
  bool Claim(std::uintptr_t frame);
  bool AwaitCompletion(const vos_completion& slot, vos_lane_position position, Patience patience);

  Session& session_;
  ThreadLane& thread_;
  std::byte* const base_;
  Lane* lane_ = nullptr;
  std::uint64_t ticket_ = 0;
  vos_user_lane_c* c_ = nullptr;
  vos_user_lane_s* s_ = nullptr;
  std::byte* chunk_ = nullptr;
  std::uint32_t index_ = 0;
};

// Handlers of pthread_atfork(). A child made by a handler that interrupted a call returns into that
// call, whose session it does not have: empty memory of its own, where no descriptor is redirected
// and nothing completes, takes the session's place. What was not published traps; what was is lost.
// (A raw clone() by such a handler is beyond that: its child dies when the handler returns. So does
// one of a handler that has confined the process by seccomp: nothing can be mapped for it.)
void BeforeFork();
void AfterForkInParent();
void AfterForkInChild();

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_CLIENT_LANE_H_
