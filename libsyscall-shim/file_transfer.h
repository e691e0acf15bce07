// SPDX-License-Identifier: Apache-2.0
// Calls on files that say where they read or write, and those that wait for the disk: answered over
// a lane of the storage domain, or left to the kernel. One function per interposed call.
//
// A call is one operation on the file or a system call, never both and never in pieces: what does
// not fit the lane's memory is the kernel's, so that writes of several processes never mingle. So
// are the calls that use the position of the description: they go through transfer.cc, find that no
// socket is meant, and trap.
//
// A bad pointer is always the kernel's to judge: nothing was written yet, and what was read can be
// read again. If the session dies under a call, the kernel does it again: it reads or writes the
// same bytes at the same place, and the lost one happens no more (VOS_CALL_WAIT).
#ifndef VIRTUOS_LIBSYSCALL_SHIM_FILE_TRANSFER_H_
#define VIRTUOS_LIBSYSCALL_SHIM_FILE_TRANSFER_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

namespace vos::shim {

// As the C library's functions: -1 and errno on failure; errno is preserved otherwise.
ssize_t Pread(int fd, void* data, size_t bytes, off_t position);
ssize_t Pwrite(int fd, const void* data, size_t bytes, off_t position);
ssize_t Preadv(int fd, const iovec* vector, int count, off_t position);
ssize_t Pwritev(int fd, const iovec* vector, int count, off_t position);
// With flags (RWF_*), or at position -1, which is that of the description, they trap.
ssize_t Preadv2(int fd, const iovec* vector, int count, off_t position, int flags);
ssize_t Pwritev2(int fd, const iovec* vector, int count, off_t position, int flags);
int Fsync(int fd);
int Fdatasync(int fd);

}  // namespace vos::shim

#endif  // VIRTUOS_LIBSYSCALL_SHIM_FILE_TRANSFER_H_
