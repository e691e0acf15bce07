// SPDX-License-Identifier: Apache-2.0
// libsyscall-shim.so, preloaded: data calls on redirected sockets go straight into the lanes of the
// process's user session, without a system call.
//
// It makes calls fast and never decides what they mean: every one works by system call as well, and
// is left to it whenever there is doubt. From the outside in:
//
//   interpose.cc     the exported symbols: read, send, ... and what fortified programs call
//   transfer.cc      one call: arguments, flags, what to make of the service's answer, fallback
//   client_lane.cc   one exchange: the thread's lane, publishing, waiting; lost and found lanes
//   session.cc       the process: has it a session, does it want one, what is fd redirected to
//   copy.S           copies whose faults become EFAULT
//   kernel_calls.cc  the shim's own system calls, the C library's functions behind it
//   counters.cc      vos_shim_counters(), see include/virtuos/shim.h
//
// On the path of a call there is no allocation, no lock, no exception and no errno but the call's;
// all of it is async-signal-safe. State is in memory that fork wipes (session.h). A positioned
// call, once files have lanes, is one more function in transfer.cc that fills another request.

#include <pthread.h>

#include <cstdlib>
#include <cstring>

#include "libsyscall-shim/client_lane.h"
#include "libsyscall-shim/kernel_calls.h"
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
