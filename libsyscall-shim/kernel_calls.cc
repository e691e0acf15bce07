// SPDX-License-Identifier: Apache-2.0
#include "libsyscall-shim/kernel_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include <cerrno>
#include <cstdarg>
#include <cstring>

#include "kernel/virtuos/abi/virtuos.h"

namespace vos::shim {
namespace {

// The kernel's own idea of a signal set.
constexpr std::size_t kSignalSetBytes = 8;
// More than /proc/thread-self/status ever has before and including its Seccomp line.
constexpr std::size_t kStatusBytes = 4096;
// Looks at what becomes of another thread's attempt to install a filter, which takes the kernel some
// microseconds; some milliseconds of them, should that thread not run.
constexpr std::uint32_t kMaxLooks = 1u << 16;

template <typename... Arguments>
long RawCall(long number, Arguments... arguments) {
  static_assert(sizeof...(arguments) <= 6);
  long values[6] = {(long)arguments...};
  register long r10 asm("r10") = values[3];
  register long r8 asm("r8") = values[4];
  register long r9 asm("r9") = values[5];
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "0"(number), "D"(values[0]), "S"(values[1]), "d"(values[2]), "r"(r10), "r"(r8),
                 "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

// May the shim make a system call of its own in the course of a call that is under way? A thread
// that another one confines between this look and the call is beyond help.
bool MayCall() {
  for (std::uint32_t look = 0; look < kMaxLooks; ++look) {
    const std::uint32_t known = confinement.load(std::memory_order_acquire);
    if ((known & kConfined) != 0) return false;
    if (known < kConfining) return true;
    _mm_pause();
  }
  return false;
}

// A system call of the shim's own.
template <typename... Arguments>
long OwnCall(long number, Arguments... arguments) {
  return MayCall() ? RawCall(number, arguments...) : -EPERM;
}

template <typename... Arguments>
ssize_t CallWithErrno(long number, Arguments... arguments) {
  const long result = RawCall(number, arguments...);
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

long Virtuos(unsigned long operation, unsigned long argument) {
  return OwnCall(SYS_prctl, static_cast<long>(PR_VIRTUOS), operation, argument, 0L, 0L);
}

int ThreadId() { return static_cast<int>(OwnCall(SYS_gettid)); }
int ProcessId() { return static_cast<int>(OwnCall(SYS_getpid)); }

// tkill, not tgkill: a task that shares memory but is no thread of this process counts too.
bool ThreadExists(int thread_id) { return OwnCall(SYS_tkill, thread_id, 0) != -ESRCH; }

bool OnSignalStack() {
  if (disarmed_signal_stacks.load(std::memory_order_relaxed)) return true;
  stack_t stack{};
  return OwnCall(SYS_sigaltstack, static_cast<stack_t*>(nullptr), &stack) != 0 ||
         (stack.ss_flags & SS_ONSTACK) != 0;
}

void Yield() { OwnCall(SYS_sched_yield); }

int SocketDomain(int fd) {
  int domain = 0;
  socklen_t length = sizeof(domain);
  const long result = OwnCall(SYS_getsockopt, fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  return result < 0 ? static_cast<int>(result) : domain;
}

long RawSyscall(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d,
                unsigned long e, unsigned long f) {
  return CallWithErrno(number, a, b, c, d, e, f);
}
int RawPrctl(int option, ...) {
  std::va_list list;
  va_start(list, option);
  unsigned long values[4];
  for (unsigned long& value : values) value = va_arg(list, unsigned long);
  va_end(list);
  return static_cast<int>(
      CallWithErrno(SYS_prctl, option, values[0], values[1], values[2], values[3]));
}
int RawSigaltstack(const stack_t* stack, stack_t* old) {
  return static_cast<int>(CallWithErrno(SYS_sigaltstack, stack, old));
}
ssize_t RawRead(int fd, void* data, size_t bytes) {
  return CallWithErrno(SYS_read, fd, data, bytes);
}
ssize_t RawWrite(int fd, const void* data, size_t bytes) {
  return CallWithErrno(SYS_write, fd, data, bytes);
}
ssize_t RawReadv(int fd, const iovec* vector, int count) {
  return CallWithErrno(SYS_readv, fd, vector, count);
}
ssize_t RawWritev(int fd, const iovec* vector, int count) {
  return CallWithErrno(SYS_writev, fd, vector, count);
}
ssize_t RawRecvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                    socklen_t* length) {
  return CallWithErrno(SYS_recvfrom, fd, data, bytes, flags, address, length);
}
ssize_t RawRecv(int fd, void* data, size_t bytes, int flags) {
  return RawRecvfrom(fd, data, bytes, flags, nullptr, nullptr);
}
ssize_t RawRecvmsg(int fd, msghdr* message, int flags) {
  return CallWithErrno(SYS_recvmsg, fd, message, flags);
}
ssize_t RawSendto(int fd, const void* data, size_t bytes, int flags, const sockaddr* address,
                  socklen_t length) {
  return CallWithErrno(SYS_sendto, fd, data, bytes, flags, address, length);
}
ssize_t RawSend(int fd, const void* data, size_t bytes, int flags) {
  return RawSendto(fd, data, bytes, flags, nullptr, 0);
}
ssize_t RawSendmsg(int fd, const msghdr* message, int flags) {
  return CallWithErrno(SYS_sendmsg, fd, message, flags);
}

ssize_t RawPread(int fd, void* data, size_t bytes, off_t position) {
  return CallWithErrno(SYS_pread64, fd, data, bytes, position);
}
ssize_t RawPwrite(int fd, const void* data, size_t bytes, off_t position) {
  return CallWithErrno(SYS_pwrite64, fd, data, bytes, position);
}
// These take the position in two halves, of which the first one has room for all of it.
ssize_t RawPreadv(int fd, const iovec* vector, int count, off_t position) {
  return CallWithErrno(SYS_preadv, fd, vector, count, position, 0L);
}
ssize_t RawPwritev(int fd, const iovec* vector, int count, off_t position) {
  return CallWithErrno(SYS_pwritev, fd, vector, count, position, 0L);
}
ssize_t RawPreadv2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return CallWithErrno(SYS_preadv2, fd, vector, count, position, 0L, flags);
}
ssize_t RawPwritev2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return CallWithErrno(SYS_pwritev2, fd, vector, count, position, 0L, flags);
}
int RawFsync(int fd) { return static_cast<int>(CallWithErrno(SYS_fsync, fd)); }
int RawFdatasync(int fd) { return static_cast<int>(CallWithErrno(SYS_fdatasync, fd)); }
int RawPrlimit(pid_t process, int resource, const rlimit* limit, rlimit* old) {
  return static_cast<int>(CallWithErrno(SYS_prlimit64, process, resource, limit, old));
}
int RawSetrlimit(int resource, const rlimit* limit) {
  return RawPrlimit(0, resource, limit, nullptr);
}

template <typename Function>
void Resolve(Function*& function, const char* name) {
  if (void* const symbol = dlsym(RTLD_NEXT, name)) function = reinterpret_cast<Function*>(symbol);
}

}  // namespace

constinit std::atomic<std::uint32_t> confinement{0};
constinit std::atomic<bool> disarmed_signal_stacks{false};

constinit Kernel kernel = {
    .virtuos = Virtuos,
    .thread_id = ThreadId,
    .process_id = ProcessId,
    .thread_exists = ThreadExists,
    .on_signal_stack = OnSignalStack,
    .yield = Yield,
    .socket_domain = SocketDomain,
};

constinit NextFunctions next = {
    .syscall = RawSyscall,
    .prctl = RawPrctl,
    .sigaltstack = RawSigaltstack,
    .read = RawRead,
    .write = RawWrite,
    .readv = RawReadv,
    .writev = RawWritev,
    .recv = RawRecv,
    .recvfrom = RawRecvfrom,
    .recvmsg = RawRecvmsg,
    .send = RawSend,
    .sendto = RawSendto,
    .sendmsg = RawSendmsg,
    .pread = RawPread,
    .pwrite = RawPwrite,
    .preadv = RawPreadv,
    .pwritev = RawPwritev,
    .preadv2 = RawPreadv2,
    .pwritev2 = RawPwritev2,
    .fsync = RawFsync,
    .fdatasync = RawFdatasync,
    .setrlimit = RawSetrlimit,
    .prlimit = RawPrlimit,
};

void ResolveNextFunctions() {
  Resolve(next.syscall, "syscall");
  Resolve(next.prctl, "prctl");
  Resolve(next.sigaltstack, "sigaltstack");
  Resolve(next.read, "read");
  Resolve(next.write, "write");
  Resolve(next.readv, "readv");
  Resolve(next.writev, "writev");
  Resolve(next.recv, "recv");
  Resolve(next.recvfrom, "recvfrom");
  Resolve(next.recvmsg, "recvmsg");
  Resolve(next.send, "send");
  Resolve(next.sendto, "sendto");
  Resolve(next.sendmsg, "sendmsg");
  Resolve(next.pread, "pread");
  Resolve(next.pwrite, "pwrite");
  Resolve(next.preadv, "preadv");
  Resolve(next.pwritev, "pwritev");
  Resolve(next.preadv2, "preadv2");
  Resolve(next.pwritev2, "pwritev2");
  Resolve(next.fsync, "fsync");
  Resolve(next.fdatasync, "fdatasync");
  Resolve(next.setrlimit, "setrlimit");
  Resolve(next.prlimit, "prlimit");
}

bool HasSeccompFilter() {
  const long fd = RawCall(SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return true;
  char status[kStatusBytes + 1];
  const long bytes = RawCall(SYS_read, fd, status, kStatusBytes);
  RawCall(SYS_close, fd);
  if (bytes <= 0) return true;
  status[bytes] = '\0';
  const char* const line = std::strstr(status, "\nSeccomp:\t");
  return line == nullptr || line[std::strlen("\nSeccomp:\t")] != '0';
}

SignalBlock::SignalBlock() {
  const std::uint64_t all = ~0ull;
  holds_ = OwnCall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &previous_, kSignalSetBytes) == 0;
}

// Whatever became of the program meanwhile, handlers must run again.
SignalBlock::~SignalBlock() {
  if (!holds_) return;
  RawCall(SYS_rt_sigprocmask, SIG_SETMASK, &previous_, static_cast<void*>(nullptr),
          kSignalSetBytes);
}

void* MapForkWipedMemory(std::size_t bytes) {
  const long address = OwnCall(SYS_mmap, static_cast<void*>(nullptr), bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address < 0) return nullptr;
  void* const memory = reinterpret_cast<void*>(address);
  if (OwnCall(SYS_madvise, memory, bytes, MADV_WIPEONFORK) == 0) return memory;
  OwnCall(SYS_munmap, memory, bytes);
  return nullptr;
}

bool MapZeroedMemoryAt(void* address, std::size_t bytes) {
  const long result =
      OwnCall(SYS_mmap, address, bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  return result == reinterpret_cast<long>(address);
}

}  // namespace vos::shim
