// SPDX-License-Identifier: Apache-2.0
// A kernel and a service domain for tests of the shim, in one process; one of each kind of domain
// at a time.
//
// Descriptors are real sockets and files. A thread, the service half of common/lane.h, does what is
// asked for on the very same descriptors without waiting, as the service does with its own; an
// ordinary system call of the shim is one on that descriptor. So what comes out must be what Linux
// does.
#ifndef VIRTUOS_TESTS_UNIT_SIMULATED_SESSION_H_
#define VIRTUOS_TESTS_UNIT_SIMULATED_SESSION_H_

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "kernel/virtuos/abi/virtuos.h"
#include "kernel/virtuos/common/lane.h"
#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/copy.h"
#include "libsyscall-shim/include/virtuos/shim.h"
#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/noticed_calls.h"
#include "libsyscall-shim/session.h"

namespace vos::shim {

class SimulatedSession {
 public:
  using Answer = std::function<void(const vos_request&, vos_completion&, std::byte* chunk)>;

  explicit SimulatedSession(Domain domain = Domain::kNetwork) : domain_(domain) {
    const bool first = instances_++ == 0;
    Instance(domain) = this;
    base_ = static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    // As VM_DONTCOPY of the real mapping.
    madvise(base_, kBytes, MADV_DONTFORK);
    header().magic = VOS_MAGIC;
    header().abi_version = VOS_ABI_VERSION;
    header().fdmap_entries = VOS_FDMAP_ENTRIES;
    header().user_lane_depth = VOS_USER_LANE_DEPTH;
    header().chunk_bytes = VOS_USER_CHUNK_PAGES * VOS_PAGE_SIZE;
    header().spin_cycles = 2'000'000;
    AddExtent();

    if (first) Install();
    InstallFaultHandler();
    service_ = std::jthread([this](std::stop_token stop) { Serve(stop); });
  }

  ~SimulatedSession() {
    service_.request_stop();
    service_.join();
    if (--instances_ == 0) {
      kernel = original_kernel_;
      next = real_;
    }
    munmap(base_, kBytes);
    Instance(domain_) = nullptr;
  }

  // Makes the process earn its session with calls on a descriptor of its own.
  void Earn() {
    const int fd = memfd_create("earns", 0);
    for (std::uint32_t i = 0; i < kTrapsBeforeSession; ++i) NoteCallWithoutSession(domain_, fd);
    close(fd);
    if (StateOf(domain_).current.load() == nullptr) std::abort();
  }

  // What the process has of the session.
  Session& session() { return *StateOf(domain_).current.load(); }
  // As if this thread had no lane.
  void ForgetLane() { ThreadLaneOf(domain_).epoch = kNoEpoch; }

  void Redirect(int fd, std::uint32_t kind) {
    vos_fdmap_entry& entry = const_cast<vos_fdmap_entry&>(FdMapOf(base_)[fd]);
    vos_store(&entry.kind, kind);
    vos_store_release(&entry.handle, vos_handle_make(KindOf(domain_), ++generation_, 1));
  }

  void Forget(int fd) {
    vos_fdmap_entry& entry = const_cast<vos_fdmap_entry&>(FdMapOf(base_)[fd]);
    vos_store_release(&entry.handle, __u64{VOS_HANDLE_NONE});
  }

  // The service does nothing from when this returns until Resume(); what it was doing is complete.
  void Stall() {
    stalled_ = true;
    while (!resting_) usleep(20);
  }
  void Resume() { stalled_ = false; }

  // From now on requests are answered inside VOS_CALL_WAIT: no thread has to be scheduled for one.
  void ServeInWait() {
    Stall();
    header().spin_cycles = 0;
    serve_in_wait_ = true;
  }

  // Every call sleeps for its completion; handler runs at the first.
  void InterruptNextWait(void (*handler)(int)) {
    signal(SIGUSR1, handler);
    header().spin_cycles = 0;
    Stall();
    on_wait = [this] {
      on_wait = [] { return 0L; };
      raise(SIGUSR1);
      Resume();
      return static_cast<long>(-EINTR);
    };
  }

  vos_session_header& header() { return const_cast<vos_session_header&>(*HeaderOf(base_)); }
  std::byte* base() { return base_; }

  static struct vos_shim_counters counters() {
    struct vos_shim_counters counters;
    ::vos_shim_counters(&counters);
    return counters;
  }

  // Ordinary system calls made for data.
  static inline std::atomic<int> traps{0};
  // What the kernel answers.
  std::atomic<long> enter_error{0};
  std::atomic<int> enters{0};
  std::atomic<int> kicks{0};
  std::atomic<int> waits{0};
  std::atomic<int> yields{0};
  std::function<void()> on_yield;
  std::atomic<int> extents{0};
  std::atomic<int> max_extents{VOS_MAX_EXTENTS};
  std::function<long()> on_wait;  // its result if negative, before anything else
  std::atomic<bool> wakes_for_nothing{false};
  int socket_domain = AF_INET;
  // Of VOS_CALL_SERVING.
  std::atomic<long> serving{VOS_DOMAIN_STORAGE};
  std::atomic<int> questions{0};
  // What the service does; nothing set: the real thing. Set it while nothing is asked for.
  Answer answer;

 private:
  static constexpr std::size_t kBytes = static_cast<std::size_t>(VOS_MAP_PAGES) * VOS_PAGE_SIZE;
  static constexpr int kIdleSweepsToPark = 200;
  static constexpr int kIdleSweepsToSleep = 400;

  struct ServiceLane {
    vos_lane_position position{.entry = 0, .turn = 1};
    std::uint32_t park_epoch = 1;
    std::uint32_t arm_seen = 0;
    std::uint8_t doorbell_seen = 0;
    int idle = 0;
    bool hot = false;
  };

  int AddExtent() {
    const int extent = extents.load();
    if (extent == max_extents.load()) return -ENOSPC;
    for (auto& lane : ExtentS(base_, static_cast<std::uint32_t>(extent))->lane) {
      vos_store(&lane.status.park_epoch, 1u);
    }
    header().extents = static_cast<std::uint32_t>(extent) + 1;
    extents.store(extent + 1);
    return extent;
  }

  // The instance that a call names in its argument, or no session.
  static long Virtuos(unsigned long operation, unsigned long argument) {
    if (operation == VOS_CALL_COPY_RANGE) {
      return reinterpret_cast<vos_copy_range*>(argument)->abort ==
                     reinterpret_cast<std::uint64_t>(vos_copy_abort)
                 ? 0
                 : -EINVAL;
    }
    const std::uint64_t kind = operation == VOS_CALL_ENTER
                                   ? reinterpret_cast<vos_enter*>(argument)->domain
                               : operation == VOS_CALL_SERVING ? VOS_DOMAIN_STORAGE
                                                               : vos_call_arg_domain(argument);
    for (const Domain domain : kAllDomains) {
      if (KindOf(domain) == kind && Instance(domain) != nullptr) {
        return Instance(domain)->Call(operation, argument);
      }
    }
    return operation == VOS_CALL_ENTER ? -ENETDOWN : -ENOENT;
  }

  long Call(unsigned long operation, unsigned long argument) {
    if (getpid() != process_id_) return -ENETDOWN;  // a forked child has no session
    switch (operation) {
      case VOS_CALL_ENTER: {
        ++enters;
        if (enter_error != 0) return enter_error;
        auto* const enter = reinterpret_cast<vos_enter*>(argument);
        if (enter->abi_version != VOS_ABI_VERSION) return -EPROTONOSUPPORT;
        enter->base = reinterpret_cast<std::uint64_t>(base_);
        enter->extents = 1;
        vos_store(&header().dead, 0u);
        return 0;
      }
      case VOS_CALL_SERVING:
        ++questions;
        return serving;
      case VOS_CALL_EXTEND:
        return AddExtent();
      case VOS_CALL_KICK:
        ++kicks;
        kicked_.store(true);
        return 0;
      case VOS_CALL_WAIT:
        return Wait(vos_call_arg_lane(argument), vos_call_arg_entry(argument),
                    vos_call_arg_turn(argument));
      default:
        return -EINVAL;
    }
  }

  long Wait(std::uint32_t lane, std::uint32_t entry, std::uint32_t turn) {
    ++waits;
    // A copy: it may replace itself.
    if (const std::function<long()> hook = on_wait) {
      const long result = hook();
      if (result < 0) return result;
    }
    if (wakes_for_nothing) return 0;
    if (serve_in_wait_) {
      Look(true);
      ServeLane(lane);
      return 0;
    }
    while (!vos_lane_completed(&LaneS(base_, lane)->completion[entry], turn)) {
      if (vos_load(&header().dead) != 0) return -ENETDOWN;
      usleep(20);
    }
    return 0;
  }

  void Serve(std::stop_token stop) {
    int idle = 0;
    vos_extent_s& status = *ExtentS(base_, 0);
    while (!stop.stop_requested()) {
      if (!stalled_ && kicked_.exchange(false)) {
        vos_store(&status.active[0], 1u);
        vos_full_barrier();
        Look(true);
        idle = 0;
      }
      const bool active = vos_load(&status.active[0]) != 0;
      resting_ = false;
      if (!active || stalled_) {
        resting_ = true;
        usleep(20);
        continue;
      }
      Look(false);
      bool worked = false;
      bool hot = false;
      for (std::uint32_t i = 0; i < Lanes(); ++i) {
        worked |= ServeLane(i);
        hot |= lane_[i].hot;
      }
      idle = worked || hot ? 0 : idle + 1;
      if (idle > kIdleSweepsToSleep) {
        vos_store(&status.active[0], 0u);
        vos_full_barrier();
        Look(true);
        for (std::uint32_t i = 0; i < Lanes(); ++i) {
          if (lane_[i].hot) vos_store(&status.active[0], 1u);
        }
        idle = 0;
      }
      if (!worked) std::this_thread::yield();
    }
  }

  std::uint32_t Lanes() { return static_cast<std::uint32_t>(extents.load()) * VOS_EXTENT_LANES; }

  void Look(bool all) {
    for (std::uint32_t i = 0; i < Lanes(); ++i) {
      ServiceLane& lane = lane_[i];
      const std::uint8_t bell = vos_load_acquire(&ExtentC(base_, 0)->doorbell[i]);
      const vos_request& slot = LaneC(base_, i)->request[lane.position.entry];
      const bool wanted = all && vos_load_acquire(&slot.turn) == lane.position.turn;
      if ((bell == lane.doorbell_seen && !wanted) || lane.hot) continue;
      lane.doorbell_seen = bell;
      lane.hot = true;
      lane.idle = 0;
      vos_lane_unpark(&LaneS(base_, i)->status, &lane.park_epoch);
    }
  }

  bool ServeLane(std::uint32_t index) {
    ServiceLane& lane = lane_[index];
    if (!lane.hot) return false;
    lane.doorbell_seen = vos_load_acquire(&ExtentC(base_, 0)->doorbell[index]);
    vos_user_lane_c& c = *LaneC(base_, index);
    vos_user_lane_s& s = *LaneS(base_, index);
    vos_request request;
    if (!vos_lane_fetch(&c.request[lane.position.entry], &lane.position, &request)) {
      if (++lane.idle > kIdleSweepsToPark &&
          vos_lane_park(&s.status, &lane.park_epoch, &c.request[lane.position.entry],
                        &lane.position) != 0) {
        lane.hot = false;
      }
      return false;
    }
    lane.idle = 0;
    vos_completion completion{};
    if (answer) {
      answer(request, completion, LaneChunk(base_, index));
    } else {
      Execute(request, completion, LaneChunk(base_, index));
    }
    vos_lane_complete(&s.completion[lane.position.entry], &completion, lane.position.turn);
    vos_lane_advance(&lane.position, VOS_USER_LANE_DEPTH);
    vos_lane_wants_wake(&c.control, &lane.arm_seen);
    return true;
  }

 public:
  // The operation itself, as the service does it.
  void Execute(const vos_request& request, vos_completion& completion, std::byte* chunk) {
    if (request.fd < 0 || request.fd >= static_cast<int>(VOS_FDMAP_ENTRIES) ||
        vos_load(&FdMapOf(base_)[request.fd].handle) != request.handle) {
      completion.res = -EBADF;
    } else if (domain_ == Domain::kNetwork) {
      ExecuteMessage(request, completion, chunk);
    } else {
      ExecuteFile(request, completion, chunk);
    }
  }

 private:
  static void ExecuteMessage(vos_request request, vos_completion& completion, std::byte* chunk) {
    const bool in_line = (request.flags & VOS_REQ_INLINE) != 0;
    const bool send = request.op == VOS_OP_SEND;
    const int flags_asked = in_line ? request.msg_flags : static_cast<int>(request.arg.msg.flags);
    const int flags = flags_asked | MSG_DONTWAIT;
    iovec part{.iov_base = chunk, .iov_len = request.len};
    if (send && in_line) part.iov_base = request.arg.imm;
    if (!send && in_line) part.iov_base = completion.imm;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t result = send ? sendmsg(request.fd, &message, flags | MSG_NOSIGNAL)
                                : recvmsg(request.fd, &message, flags);
    completion.res = result < 0 ? -errno : result;
    if (completion.res == -EAGAIN && (flags_asked & MSG_DONTWAIT) == 0 &&
        (fcntl(request.fd, F_GETFL) & O_NONBLOCK) == 0) {
      completion.flags |= VOS_CPL_TRAP;
    }
    completion.aux = static_cast<std::uint32_t>(message.msg_flags);
    if (!send && in_line) completion.flags |= VOS_CPL_INLINE;
  }

  static void ExecuteFile(const vos_request& request, vos_completion& completion,
                          std::byte* chunk) {
    const auto& file = request.arg.file;
    const auto position = static_cast<off_t>(file.pos);
    std::byte* const data = chunk + file.data;
    ssize_t result = -1;
    errno = EOPNOTSUPP;
    if ((fcntl(request.fd, F_GETFL) & (O_APPEND | O_DIRECT)) != 0 && request.op != VOS_OP_SYNC) {
      completion.flags = VOS_CPL_TRAP;
      return;
    }
    if (request.op == VOS_OP_PREAD) {
      result = pread(request.fd, data, request.len, position);
    } else if (request.op == VOS_OP_PWRITE) {
      result = pwrite(request.fd, data, request.len, position);
    } else if (request.op == VOS_OP_SYNC) {
      result = (file.flags & VOS_FILE_DATA) != 0 ? fdatasync(request.fd) : fsync(request.fd);
    }
    completion.res = result < 0 ? -errno : result;
    if (request.op == VOS_OP_PWRITE && result > 0) {
      completion.pos = file.pos + static_cast<std::uint64_t>(result);
    }
  }

  // The kernel and the C library's functions, counted, for all instances.
  static void Install() {
    static const NextFunctions resolved = [] {
      ResolveNextFunctions();
      return next;
    }();
    real_ = resolved;
    confinement = 0;
    disarmed_signal_stacks = false;
    InitializeState();
    for (ThreadLane& thread : thread_lanes) {
      thread.epoch = kNoEpoch;
      thread.calls_to_sample = kCallsPerSample;
      thread.sample_interval = kCallsPerSample;
      thread.lane_wait = 0;
      thread.linger_rest = 0;
      thread.linger_backoff = 0;
    }
    original_kernel_ = kernel;
    kernel.virtuos = Virtuos;
    kernel.socket_domain = [](int) { return Any().socket_domain; };
    kernel.yield = [] {
      ++Any().yields;
      if (Any().on_yield) Any().on_yield();
    };

    traps = 0;
    CountCalls<&NextFunctions::read, &NextFunctions::write, &NextFunctions::readv,
               &NextFunctions::writev, &NextFunctions::recv, &NextFunctions::recvfrom,
               &NextFunctions::recvmsg, &NextFunctions::send, &NextFunctions::sendto,
               &NextFunctions::sendmsg, &NextFunctions::pread, &NextFunctions::pwrite,
               &NextFunctions::preadv, &NextFunctions::pwritev, &NextFunctions::preadv2,
               &NextFunctions::pwritev2, &NextFunctions::fsync, &NextFunctions::fdatasync>();
  }

  template <auto... kMember>
  static void CountCalls() {
    (CountCallsOf<kMember>(kMember), ...);
  }

  template <auto kMember, typename Result, typename... Arguments>
  static void CountCallsOf(Result (*NextFunctions::*)(Arguments...)) {
    next.*kMember = [](Arguments... arguments) {
      ++traps;
      return (real_.*kMember)(arguments...);
    };
  }

  static SimulatedSession*& Instance(Domain domain) {
    return instance_[static_cast<std::size_t>(domain)];
  }
  static SimulatedSession& Any() {
    return *(instance_[0] != nullptr ? instance_[0] : instance_[1]);
  }

  // What the kernel does with a fault in the registered range.
  static void InstallFaultHandler() {
    struct sigaction action{};
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    action.sa_sigaction = [](int, siginfo_t*, void* context) {
      greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
      const auto at = static_cast<std::uintptr_t>(registers[REG_RIP]);
      if (at < reinterpret_cast<std::uintptr_t>(vos_copy_start) ||
          at >= reinterpret_cast<std::uintptr_t>(vos_copy_end)) {
        std::abort();
      }
      registers[REG_RAX] = -EFAULT;
      registers[REG_RIP] = static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(vos_copy_abort));
    };
    sigaction(SIGSEGV, &action, nullptr);
  }

  static inline SimulatedSession* instance_[kDomains] = {};
  static inline int instances_ = 0;
  static inline NextFunctions real_{};
  static inline Kernel original_kernel_{};

  const Domain domain_;
  const pid_t process_id_ = getpid();
  std::byte* base_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};
  ServiceLane lane_[VOS_MAX_USER_LANES];
  std::atomic<bool> kicked_{false};
  std::atomic<bool> stalled_{false};
  std::atomic<bool> resting_{false};
  bool serve_in_wait_ = false;
  std::jthread service_;
};

// A thread whose signal stack lies above its stack, and is disarmed while a handler runs.
class StackBelowSignalStack {
 public:
  // body(stack_t) is to install the signal stack.
  template <typename Body>
  static void Run(Body body) {
    auto* const memory =
        static_cast<std::byte*>(mmap(nullptr, kStackBytes + kSignalStackBytes,
                                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    Call<Body> call{body, {}};
    call.above.ss_sp = memory + kStackBytes;
    call.above.ss_size = kSignalStackBytes;
    call.above.ss_flags = kAutodisarm;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory, kStackBytes);
    pthread_t thread;
    if (pthread_create(&thread, &attributes, Call<Body>::Run, &call) != 0) std::abort();
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    munmap(memory, kStackBytes + kSignalStackBytes);
  }

 private:
  static constexpr std::size_t kStackBytes = 1 << 20;
  static constexpr std::size_t kSignalStackBytes = 1 << 18;

  template <typename Body>
  struct Call {
    Body& body;
    stack_t above;

    static void* Run(void* call) {
      static_cast<Call*>(call)->body(static_cast<Call*>(call)->above);
      const stack_t none{.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
      sigaltstack(&none, nullptr);
      return nullptr;
    }
  };
};

// The shim's own handlers of fork(), from now on; once in a process. 0 or an error.
inline int RegisterForkHandlers() {
  static const int registered = pthread_atfork(
      [] {
        if (state != nullptr) BeforeFork();
      },
      AfterForkInParent, AfterForkInChild);
  return registered;
}

}  // namespace vos::shim

#endif  // VIRTUOS_TESTS_UNIT_SIMULATED_SESSION_H_
