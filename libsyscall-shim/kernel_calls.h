// SPDX-License-Identifier: Apache-2.0
// The system calls that the shim makes for itself, when it may make any, and the C library's
// functions it stands before.
//
// Both are tables of functions so that unit tests can put a simulated kernel behind the shim.
#ifndef VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_
#define VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vos::shim {

// What is known of the program confining itself by seccomp. A filter, which knows only the
// program's own calls, may end it for one that the shim makes, so from then on the shim makes none:
// every call of the program is left to the kernel.
//
// In ordinary memory: filters survive fork, and nobody takes one off again. exec starts anew, and
// the constructor looks whether there is a filter already. Those that a program installs by bare
// instructions, not through the C library, are not noticed.
//
// The program gave up gaining privileges, as most do before they install a filter. No call is begun
// any more; those that are under way go on.
inline constexpr std::uint32_t kNoNewPrivileges = 1;
// There is a filter, or strict mode.
inline constexpr std::uint32_t kConfined = 2;
// Added for each call that installs one, while it is made.
inline constexpr std::uint32_t kConfining = 4;
extern constinit std::atomic<std::uint32_t> confinement;

// May a call be answered without the kernel? Relaxed: what a thread does to itself it sees, and one
// that another thread is about to confine has no order with it anyhow.
inline bool MayBeginCalls() { return confinement.load(std::memory_order_relaxed) == 0; }

// The program has used, or is about to use, a signal stack that is disarmed while a handler runs on
// it (SS_AUTODISARM): the kernel does not tell such a handler where it runs.
extern constinit std::atomic<bool> disarmed_signal_stacks;

// Raw system calls: -errno on failure, -EPERM without a call once the program is confined; errno
// itself is never touched. Async-signal-safe.
struct Kernel {
  // prctl(PR_VIRTUOS, operation, argument, 0, 0).
  long (*virtuos)(unsigned long operation, unsigned long argument);
  int (*thread_id)();
  int (*process_id)();
  // False only if no thread with this id exists, in any process.
  bool (*thread_exists)(int thread_id);
  // Does this thread run on its alternate signal stack? True also if that cannot be found out.
  bool (*on_signal_stack)();
  // Lets others run on this processor.
  void (*yield)();
  // SO_DOMAIN of a socket, or -errno.
  int (*socket_domain)(int fd);
};

extern constinit Kernel kernel;

// Is this thread under a seccomp filter? True also if that cannot be found out. Opens a file, as the
// dynamic linker just did, and is to be asked before the program runs: another thread could close or
// replace the descriptor, and prctl(), which would tell without one, could be fatal under a filter.
bool HasSeccompFilter();

// What an interposed function does when it leaves a call to the kernel: the next definition of the
// same function, with its cancellation point and errno. Until ResolveNextFunctions(), raw system
// calls that set errno.
struct NextFunctions {
  // Variadic in truth; arguments are passed in the same places. The first: see system_call.S.
  long (*syscall)(long, unsigned long, unsigned long, unsigned long, unsigned long, unsigned long,
                  unsigned long);
  int (*prctl)(int, ...);
  int (*sigaltstack)(const stack_t*, stack_t*);
  ssize_t (*read)(int, void*, size_t);
  ssize_t (*write)(int, const void*, size_t);
  ssize_t (*readv)(int, const iovec*, int);
  ssize_t (*writev)(int, const iovec*, int);
  ssize_t (*recv)(int, void*, size_t, int);
  ssize_t (*recvfrom)(int, void*, size_t, int, sockaddr*, socklen_t*);
  ssize_t (*recvmsg)(int, msghdr*, int);
  ssize_t (*send)(int, const void*, size_t, int);
  ssize_t (*sendto)(int, const void*, size_t, int, const sockaddr*, socklen_t);
  ssize_t (*sendmsg)(int, const msghdr*, int);
  ssize_t (*pread)(int, void*, size_t, off_t);
  ssize_t (*pwrite)(int, const void*, size_t, off_t);
  ssize_t (*preadv)(int, const iovec*, int, off_t);
  ssize_t (*pwritev)(int, const iovec*, int, off_t);
  ssize_t (*preadv2)(int, const iovec*, int, off_t, int);
  ssize_t (*pwritev2)(int, const iovec*, int, off_t, int);
  int (*fsync)(int);
  int (*fdatasync)(int);
  int (*setrlimit)(int, const rlimit*);
  int (*prlimit)(pid_t, int, const rlimit*, rlimit*);
};

// By this name for system_call.S.
extern constinit NextFunctions next __asm__("vos_next_functions");
static_assert(offsetof(NextFunctions, syscall) == 0);

// Not async-signal-safe: called once, by the library's constructor.
void ResolveNextFunctions();

// Keeps every handler off this thread while it lives, so that the cold paths of the shim are not
// left half done by a handler that jumps away. Where it does not hold, they are not to be taken.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  bool holds() const { return holds_; }

 private:
  std::uint64_t previous_ = 0;
  bool holds_;
};

// Private zeroed memory that a forked child finds zeroed again, or nullptr.
void* MapForkWipedMemory(std::size_t bytes);
// Private zeroed memory at this free address; false if that is not possible.
bool MapZeroedMemoryAt(void* address, std::size_t bytes);

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_
