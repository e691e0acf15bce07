// SPDX-License-Identifier: Apache-2.0
// libsyscall-shim.so, preloaded: data calls on redirected sockets and files go straight into the
// lanes of the process's user sessions, without a system call.
//
// It makes calls fast and never decides what they mean: every one works by system call as well, and
// is left to it whenever there is doubt. From the outside in:
//
//   interpose.cc     the exported symbols: read, send, ... and what fortified programs call
//   transfer.cc      one call on a socket: arguments, flags, what is put together from two answers
//   file_transfer.cc one call on a file
//   operation.cc     what they share: vectors, the service's answer made sense of, fallback
//   client_lane.cc   one exchange: the thread's lane, publishing, waiting; lost and found lanes
//   session.cc       the process: which sessions has it, does it want one, what is fd redirected to
//   copy.S           copies whose faults become EFAULT
//   kernel_calls.cc  the shim's own system calls, the C library's functions behind it
//   noticed_calls.cc what the program does to itself that the shim has to know; system_call.S
//   counters.cc      vos_shim_counters(), see include/virtuos/shim.h
//
// On the path of a call there is no allocation, no lock, no exception and no errno but the call's;
// all of it is async-signal-safe. State is in memory that fork wipes (session.h).
//
// Calls that it never makes for the program are interposed only to be noticed: setrlimit() and
// prlimit(), see NoteFileSizeLimit(), and those of noticed_calls.h.

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdarg>
#include <cstdlib>
#include <cstring>

#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/file_transfer.h"
#include "libsyscall-shim/kernel_calls.h"
#include "libsyscall-shim/noticed_calls.h"
#include "libsyscall-shim/session.h"
#include "libsyscall-shim/transfer.h"

#define VOS_EXPORT extern "C" [[gnu::visibility("default")]]

// The C library's check of a fortified call: ends the program if the buffer is too small.
extern "C" [[noreturn]] void __chk_fail();

namespace {

void CheckRoom(std::size_t bytes, std::size_t room) {
  if (bytes > room) [[unlikely]]
    __chk_fail();
}

// Before the constructors of programs and of libraries that don't ask to be earlier.
[[gnu::constructor(101)]] void Start() {
  vos::shim::ResolveNextFunctions();
  const char* const wish = std::getenv("VIRTUOS_SHIM");
  if (wish != nullptr && std::strcmp(wish, "off") == 0) return;
  // From before exec: it would allow no session, and perhaps not even the calls to ask for one.
  if (vos::shim::HasSeccompFilter()) return;
  if (pthread_atfork(vos::shim::BeforeFork, vos::shim::AfterForkInParent,
                     vos::shim::AfterForkInChild) == 0) {
    vos::shim::InitializeState();
  }
}

}  // namespace

VOS_EXPORT ssize_t read(int fd, void* data, size_t bytes) {
  return vos::shim::Read(fd, data, bytes);
}

VOS_EXPORT ssize_t __read(int fd, void* data, size_t bytes) {
  return vos::shim::Read(fd, data, bytes);
}

VOS_EXPORT ssize_t __read_chk(int fd, void* data, size_t bytes, size_t room) {
  CheckRoom(bytes, room);
  return vos::shim::Read(fd, data, bytes);
}

VOS_EXPORT ssize_t readv(int fd, const iovec* vector, int count) {
  return vos::shim::Readv(fd, vector, count);
}

VOS_EXPORT ssize_t write(int fd, const void* data, size_t bytes) {
  return vos::shim::Write(fd, data, bytes);
}

VOS_EXPORT ssize_t __write(int fd, const void* data, size_t bytes) {
  return vos::shim::Write(fd, data, bytes);
}

VOS_EXPORT ssize_t writev(int fd, const iovec* vector, int count) {
  return vos::shim::Writev(fd, vector, count);
}

VOS_EXPORT ssize_t recv(int fd, void* data, size_t bytes, int flags) {
  return vos::shim::Recv(fd, data, bytes, flags);
}

VOS_EXPORT ssize_t __recv_chk(int fd, void* data, size_t bytes, size_t room, int flags) {
  CheckRoom(bytes, room);
  return vos::shim::Recv(fd, data, bytes, flags);
}

VOS_EXPORT ssize_t recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                            socklen_t* address_bytes) {
  return vos::shim::Recvfrom(fd, data, bytes, flags, address, address_bytes);
}

VOS_EXPORT ssize_t __recvfrom_chk(int fd, void* data, size_t bytes, size_t room, int flags,
                                  sockaddr* address, socklen_t* address_bytes) {
  CheckRoom(bytes, room);
  return vos::shim::Recvfrom(fd, data, bytes, flags, address, address_bytes);
}

VOS_EXPORT ssize_t recvmsg(int fd, msghdr* message, int flags) {
  return vos::shim::Recvmsg(fd, message, flags);
}

VOS_EXPORT ssize_t send(int fd, const void* data, size_t bytes, int flags) {
  return vos::shim::Send(fd, data, bytes, flags);
}

VOS_EXPORT ssize_t __send(int fd, const void* data, size_t bytes, int flags) {
  return vos::shim::Send(fd, data, bytes, flags);
}

VOS_EXPORT ssize_t sendto(int fd, const void* data, size_t bytes, int flags,
                          const sockaddr* address, socklen_t address_bytes) {
  return vos::shim::Sendto(fd, data, bytes, flags, address, address_bytes);
}

VOS_EXPORT ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  return vos::shim::Sendmsg(fd, message, flags);
}

// off_t and off64_t are one here, and so are the functions.
#define VOS_EXPORT_ALIAS(result, name, of, ...) \
  VOS_EXPORT result name(__VA_ARGS__) __attribute__((alias(#of)))

VOS_EXPORT ssize_t pread(int fd, void* data, size_t bytes, off_t position) {
  return vos::shim::Pread(fd, data, bytes, position);
}
VOS_EXPORT_ALIAS(ssize_t, pread64, pread, int, void*, size_t, off64_t);
VOS_EXPORT_ALIAS(ssize_t, __pread64, pread, int, void*, size_t, off64_t);

VOS_EXPORT ssize_t __pread_chk(int fd, void* data, size_t bytes, off_t position, size_t room) {
  CheckRoom(bytes, room);
  return vos::shim::Pread(fd, data, bytes, position);
}
VOS_EXPORT_ALIAS(ssize_t, __pread64_chk, __pread_chk, int, void*, size_t, off64_t, size_t);

VOS_EXPORT ssize_t pwrite(int fd, const void* data, size_t bytes, off_t position) {
  return vos::shim::Pwrite(fd, data, bytes, position);
}
VOS_EXPORT_ALIAS(ssize_t, pwrite64, pwrite, int, const void*, size_t, off64_t);
VOS_EXPORT_ALIAS(ssize_t, __pwrite64, pwrite, int, const void*, size_t, off64_t);

VOS_EXPORT ssize_t preadv(int fd, const iovec* vector, int count, off_t position) {
  return vos::shim::Preadv(fd, vector, count, position);
}
VOS_EXPORT_ALIAS(ssize_t, preadv64, preadv, int, const iovec*, int, off64_t);

VOS_EXPORT ssize_t pwritev(int fd, const iovec* vector, int count, off_t position) {
  return vos::shim::Pwritev(fd, vector, count, position);
}
VOS_EXPORT_ALIAS(ssize_t, pwritev64, pwritev, int, const iovec*, int, off64_t);

VOS_EXPORT ssize_t preadv2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return vos::shim::Preadv2(fd, vector, count, position, flags);
}
VOS_EXPORT_ALIAS(ssize_t, preadv64v2, preadv2, int, const iovec*, int, off64_t, int);

VOS_EXPORT ssize_t pwritev2(int fd, const iovec* vector, int count, off_t position, int flags) {
  return vos::shim::Pwritev2(fd, vector, count, position, flags);
}
VOS_EXPORT_ALIAS(ssize_t, pwritev64v2, pwritev2, int, const iovec*, int, off64_t, int);

VOS_EXPORT int fsync(int fd) { return vos::shim::Fsync(fd); }

VOS_EXPORT int fdatasync(int fd) { return vos::shim::Fdatasync(fd); }

VOS_EXPORT int setrlimit(__rlimit_resource_t resource, const rlimit* limit) noexcept {
  const int result = vos::shim::next.setrlimit(resource, limit);
  if (result == 0 && resource == RLIMIT_FSIZE) vos::shim::NoteFileSizeLimit();
  return result;
}
VOS_EXPORT int setrlimit64(__rlimit_resource_t, const rlimit64*) noexcept
    __attribute__((alias("setrlimit")));

VOS_EXPORT int prlimit(pid_t process, __rlimit_resource resource, const rlimit* limit,
                       rlimit* old) noexcept {
  const int result = vos::shim::next.prlimit(process, resource, limit, old);
  if (result == 0 && resource == RLIMIT_FSIZE && limit != nullptr) vos::shim::NoteFileSizeLimit();
  return result;
}
VOS_EXPORT int prlimit64(pid_t, __rlimit_resource, const rlimit64*, rlimit64*) noexcept
    __attribute__((alias("prlimit")));

// The C library's takes four as well, whatever was given. (syscall() is in system_call.S.)
VOS_EXPORT int prctl(int option, ...) noexcept {
  std::va_list list;
  va_start(list, option);
  unsigned long values[4];
  for (unsigned long& value : values) value = va_arg(list, unsigned long);
  va_end(list);
  return vos::shim::Prctl(option, values[0], values[1], values[2], values[3]);
}

VOS_EXPORT int sigaltstack(const stack_t* stack, stack_t* old) noexcept {
  return vos::shim::Sigaltstack(stack, old);
}
