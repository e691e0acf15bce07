// SPDX-License-Identifier: Apache-2.0
// io_uring by bare system calls: one entry submitted at a time, waited for one after the other.
#ifndef VIRTUOS_TESTS_SYSTEM_RING_H_
#define VIRTUOS_TESTS_SYSTEM_RING_H_

#include <linux/io_uring.h>
#include <sys/mman.h>

#include "testing.h"

namespace vos::testing {

class Ring {
 public:
  Ring() {
    io_uring_params parameters = {};
    fd_.Reset(static_cast<int>(syscall(SYS_io_uring_setup, 8, &parameters)));
    if (fd_ < 0) SKIP("io_uring is not allowed here");
    CHECK(parameters.features & IORING_FEAT_SINGLE_MMAP);
    const size_t size = parameters.cq_off.cqes + parameters.cq_entries * sizeof(io_uring_cqe) +
                        parameters.sq_off.array + parameters.sq_entries * sizeof(unsigned);
    char* ring = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                         MAP_SHARED | MAP_POPULATE, fd_, IORING_OFF_SQ_RING));
    CHECK(ring != MAP_FAILED);
    entries_ = static_cast<io_uring_sqe*>(
        mmap(nullptr, parameters.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_POPULATE, fd_, IORING_OFF_SQES));
    CHECK(entries_ != MAP_FAILED);
    tail_ = reinterpret_cast<unsigned*>(ring + parameters.sq_off.tail);
    mask_ = *reinterpret_cast<unsigned*>(ring + parameters.sq_off.ring_mask);
    array_ = reinterpret_cast<unsigned*>(ring + parameters.sq_off.array);
    done_head_ = reinterpret_cast<unsigned*>(ring + parameters.cq_off.head);
    done_tail_ = reinterpret_cast<unsigned*>(ring + parameters.cq_off.tail);
    done_mask_ = *reinterpret_cast<unsigned*>(ring + parameters.cq_off.ring_mask);
    done_ = reinterpret_cast<io_uring_cqe*>(ring + parameters.cq_off.cqes);
  }

  int fd() const { return fd_; }

  // Puts an entry into the ring; Enter() hands it to the kernel.
  void Queue(io_uring_sqe entry) {
    const unsigned tail = *tail_;
    entries_[tail & mask_] = entry;
    array_[tail & mask_] = tail & mask_;
    __atomic_store_n(tail_, tail + 1, __ATOMIC_RELEASE);
  }

  void Enter(unsigned entries) {
    CHECK_EQ(syscall(SYS_io_uring_enter, int(fd_), entries, 0, 0, nullptr, 0), entries);
  }

  void Submit(io_uring_sqe entry) {
    Queue(entry);
    Enter(1);
  }

  bool Done() { return __atomic_load_n(done_tail_, __ATOMIC_ACQUIRE) != *done_head_; }

  // The next finished one.
  io_uring_cqe Next() {
    io_uring_cqe result;
    do {
      while (!Done())
        if (syscall(SYS_io_uring_enter, int(fd_), 0, 1, IORING_ENTER_GETEVENTS, nullptr, 0) < 0)
          CHECK_EQ(errno, EINTR);
      const unsigned head = *done_head_;
      result = done_[head & done_mask_];
      __atomic_store_n(done_head_, head + 1, __ATOMIC_RELEASE);
      // That the buffer of a zero-copy send is free again comes at any time after its result.
    } while (result.flags & IORING_CQE_F_NOTIF);
    return result;
  }

  // The result of the next finished one, which must be this one.
  int Wait(uint64_t id) {
    const io_uring_cqe result = Next();
    CHECK_EQ(result.user_data, id);
    return result.res;
  }

 private:
  Fd fd_;
  io_uring_sqe* entries_;
  unsigned *tail_, mask_, *array_, *done_head_, *done_tail_, done_mask_;
  io_uring_cqe* done_;
};

inline io_uring_sqe Entry(uint8_t operation, int fd, const void* address, unsigned size,
                          uint64_t id) {
  io_uring_sqe entry = {};
  entry.opcode = operation;
  entry.fd = fd;
  entry.addr = reinterpret_cast<uint64_t>(address);
  entry.len = size;
  entry.user_data = id;
  return entry;
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_RING_H_
