// SPDX-License-Identifier: Apache-2.0
// Data calls on sockets: answered over a lane of the network domain, or left to the kernel. One
// function per interposed call.
//
// A call is left to the kernel before anything was sent, or after the service said that nothing was
// done, so that the kernel's answer is the only one. Two answers are put together from both:
//  - a stream send that took only a part goes on by sendmsg() with MSG_NOSIGNAL; if that fails, the
//    part counts;
//  - so does a receive with MSG_WAITALL.
// If the session dies under a call, nobody knows whether the operation was done. It is not done
// again unless that is harmless: a stream fails with ECONNRESET, a datagram's send with ENETDOWN.
//
// A bad pointer is the kernel's to judge as long as nothing was sent. For a receive the first byte
// is tried beforehand; if a later one proves bad, what was received is lost and the call fails with
// EFAULT. (Linux, too, drops a datagram then; of a stream it would keep the rest.)
#ifndef VIRTUOS_LIBSYSCALL_SHIM_TRANSFER_H_
#define VIRTUOS_LIBSYSCALL_SHIM_TRANSFER_H_

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

namespace vos::shim {

// As the C library's functions: -1 and errno on failure; errno is preserved otherwise.
ssize_t Read(int fd, void* data, size_t bytes);
ssize_t Write(int fd, const void* data, size_t bytes);
ssize_t Readv(int fd, const iovec* vector, int count);
ssize_t Writev(int fd, const iovec* vector, int count);
ssize_t Recv(int fd, void* data, size_t bytes, int flags);
ssize_t Recvfrom(int fd, void* data, size_t bytes, int flags, sockaddr* address,
                 socklen_t* address_bytes);
ssize_t Recvmsg(int fd, msghdr* message, int flags);
ssize_t Send(int fd, const void* data, size_t bytes, int flags);
ssize_t Sendto(int fd, const void* data, size_t bytes, int flags, const sockaddr* address,
               socklen_t address_bytes);
ssize_t Sendmsg(int fd, const msghdr* message, int flags);

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_TRANSFER_H_
