// SPDX-License-Identifier: Apache-2.0
// The system calls that the shim makes for itself, and the C library's functions it stands before.
//
// Both are tables of functions so that unit tests can put a simulated kernel behind the shim.
#ifndef VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_
#define VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace vos::shim {

// Raw system calls: -errno on failure; errno itself is never touched. Async-signal-safe.
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
  // Is this thread under a seccomp filter? True also if that cannot be found out. prctl() could be
  // fatal there.
  bool (*has_seccomp_filter)();
};

extern constinit Kernel kernel;

// What an interposed function does when it leaves a call to the kernel: the next definition of the
// same function, with its cancellation point and errno. Until ResolveNextFunctions(), raw system
// calls that set errno.
struct NextFunctions {
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

extern constinit NextFunctions next;

// Not async-signal-safe: called once, by the library's constructor.
void ResolveNextFunctions();

// Keeps every handler off this thread while it lives, so that the cold paths of the shim are not
// left half done by a handler that jumps away.
class SignalBlock {
 public:
  SignalBlock();
  ~SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  std::uint64_t previous_;
};

// Private zeroed memory that a forked child finds zeroed again, or nullptr.
void* MapForkWipedMemory(std::size_t bytes);
// Private zeroed memory at this free address; false if that is not possible.
bool MapZeroedMemoryAt(void* address, std::size_t bytes);

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_KERNEL_CALLS_H_
