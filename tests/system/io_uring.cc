// SPDX-License-Identifier: Apache-2.0
// io_uring on sockets by bare system calls: send, receive that waits, accept, connect that
// fails, poll, close.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/io_uring.h>
#include <sys/mman.h>

#include "testing.h"

using namespace vos::testing;

namespace {

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

  void Submit(io_uring_sqe entry) {
    const unsigned tail = *tail_;
    entries_[tail & mask_] = entry;
    array_[tail & mask_] = tail & mask_;
    __atomic_store_n(tail_, tail + 1, __ATOMIC_RELEASE);
    CHECK_EQ(syscall(SYS_io_uring_enter, int(fd_), 1, 0, 0, nullptr, 0), 1);
  }

  bool Done() { return __atomic_load_n(done_tail_, __ATOMIC_ACQUIRE) != *done_head_; }

  // The result of the next finished one, which must be this one.
  int Wait(uint64_t id) {
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
    CHECK_EQ(result.user_data, id);
    return result.res;
  }

 private:
  Fd fd_;
  io_uring_sqe* entries_;
  unsigned *tail_, mask_, *array_, *done_head_, *done_tail_, done_mask_;
  io_uring_cqe* done_;
};

io_uring_sqe Entry(uint8_t operation, int fd, const void* address, unsigned size, uint64_t id) {
  io_uring_sqe entry = {};
  entry.opcode = operation;
  entry.fd = fd;
  entry.addr = reinterpret_cast<uint64_t>(address);
  entry.len = size;
  entry.user_data = id;
  return entry;
}

}  // namespace

int main() {
  Ring ring;
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    char buffer[64] = {};
    ring.Submit(Entry(IORING_OP_SEND, tcp.client, "hello", 5, 1));
    CHECK_EQ(ring.Wait(1), 5);
    ring.Submit(Entry(IORING_OP_RECV, tcp.server, buffer, sizeof(buffer), 2));
    CHECK_EQ(ring.Wait(2), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);

    // Nothing there yet: it waits without a thread of ours.
    ring.Submit(Entry(IORING_OP_RECV, tcp.server, buffer, sizeof(buffer), 3));
    Sleep(50);
    CHECK(!ring.Done());
    SendAll(tcp.client, "later", 5);
    CHECK_EQ(ring.Wait(3), 5);

    ring.Submit(Entry(IORING_OP_WRITE, tcp.client, "write", 5, 4));
    CHECK_EQ(ring.Wait(4), 5);
    ring.Submit(Entry(IORING_OP_READ, tcp.server, buffer, sizeof(buffer), 5));
    CHECK_EQ(ring.Wait(5), 5);

    const Fd listener = Listening(family);
    io_uring_sqe accepting = Entry(IORING_OP_ACCEPT, listener, nullptr, 0, 6);
    accepting.accept_flags = SOCK_CLOEXEC;
    ring.Submit(accepting);
    const Fd client = Connected(NameOf(listener));
    const Fd server(ring.Wait(6));
    CHECK(server >= 0);
    CheckAlive(client, server);

    const Fd refused(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    const Address nobody = Refusing(family);
    io_uring_sqe connecting = Entry(IORING_OP_CONNECT, refused, nobody.get(), 0, 7);
    connecting.off = nobody.size;
    ring.Submit(connecting);
    CHECK_EQ(ring.Wait(7), -ECONNREFUSED);

    io_uring_sqe polling = Entry(IORING_OP_POLL_ADD, server, nullptr, 0, 8);
    polling.poll32_events = POLLIN;
    ring.Submit(polling);
    Sleep(20);
    CHECK(!ring.Done());
    SendAll(client, "p", 1);
    CHECK_EQ(ring.Wait(8), POLLIN);

    // Zero copy is refused or done by copying; never a wrong result.
    io_uring_sqe zero_copy = Entry(IORING_OP_SEND_ZC, client, "zero", 4, 9);
    ring.Submit(zero_copy);
    const int sent = ring.Wait(9);
    CHECK(sent == 4 || sent == -EOPNOTSUPP);

    Pair closing = TcpPair(family);
    ring.Submit(Entry(IORING_OP_CLOSE, closing.client.Release(), nullptr, 0, 10));
    CHECK_EQ(ring.Wait(10), 0);
    CHECK_EQ(recv(closing.server, buffer, 1, 0), 0);
  }
  return 0;
}
