// SPDX-License-Identifier: Apache-2.0
// Bad addresses give EFAULT, never a signal, also where the memory ends in the middle or goes
// away; a datagram or bytes that could not be delivered are handled as Linux does.
// tier: fast
// boot: shared
// variants: trap shim local
#include <sys/mman.h>

#include "testing.h"

using namespace vos::testing;

// Memory that ends, or has a hole: what it did not take comes with the next receives, in order and
// before what was sent later, and is told of until then.
static void ReceiveInParts(const Pair& pair) {
  constexpr size_t kPage = 4096, kSize = 3 * kPage;
  char* const memory = static_cast<char*>(
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  CHECK_OK(mprotect(memory + kPage, kPage, PROT_NONE));
  for (size_t size : {size_t{20}, kSize - 100}) {
    std::string sent(size, ' '), got;
    for (size_t i = 0; i < size; i++) sent[i] = static_cast<char>('a' + i % 23);
    for (char* to : {memory + kPage - 10, memory, memory + kPage}) {
      CHECK_EQ(send(pair.client, sent.data(), size, 0), static_cast<ssize_t>(size));
      int queued = 0;
      for (const int64_t end = Milliseconds() + kSoon; Milliseconds() < end; Sleep(1)) {
        CHECK_OK(ioctl(pair.server, FIONREAD, &queued));
        if (queued == static_cast<int>(size)) break;
      }
      CHECK_EQ(queued, static_cast<int>(size));
      got.clear();
      const size_t fits = to == memory + kPage ? 0 : memory + kPage - to;
      for (int i = 0; i < 3; i++) {
        const ssize_t part = recv(pair.server, to, size, 0);
        if (part < 0) {
          CHECK_EQ(errno, EFAULT);
          continue;
        }
        CHECK(static_cast<size_t>(part) <= fits);
        got.append(to, part);
        if (got.size() == size) break;
      }
      if (got.size() < size) {
        CHECK(Poll(pair.server, POLLIN, 0) & POLLIN);
        CHECK_OK(ioctl(pair.server, FIONREAD, &queued));
        CHECK_EQ(queued, static_cast<int>(size - got.size()));
      }
      CHECK_EQ(send(pair.client, "later", 5, 0), 5);
      std::string rest(size - got.size() + 5, ' ');
      char peeked = 0;
      CHECK_EQ(recv(pair.server, &peeked, 1, MSG_PEEK), 1);
      ReceiveAll(pair.server, rest.data(), rest.size());
      CHECK_EQ(peeked, rest[0]);
      got += rest;
      CHECK(got == sent + "later");
    }
  }
  munmap(memory, kSize);
}

int main() {
  Handle(SIGSEGV, [](int) { FAIL("a signal in place of an error"); });
  Handle(SIGBUS, [](int) { FAIL("a signal in place of an error"); });
  // Two pages: one can be used, the next cannot.
  const size_t page = 4096;
  char* const memory = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  CHECK_OK(mprotect(memory + page, page, PROT_NONE));
  char* const edge = memory + page;
  char* const readonly =
      static_cast<char*>(mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  char* const wild = reinterpret_cast<char*>(8);
  char* const kernel = reinterpret_cast<char*>(0xffff800000000000ul);
  memset(memory, 'm', page);

  for (int family : kFamilies) {
    for (bool stream : {true, false}) {
      Pair pair = stream ? TcpPair(family) : UdpPair(family);
      char byte;
      // The fast path first, so that it is the one that meets the addresses.
      for (int i = 0; i < 40; i++) {
        CHECK_EQ(send(pair.client, "x", 1, 0), 1);
        CHECK_EQ(recv(pair.server, &byte, 1, 0), 1);
      }
      for (char* bad : {edge, wild, kernel}) {
        for (size_t size : {1, 20, 41, 5000}) {
          CHECK_FAILS(send(pair.client, bad, size, 0), EFAULT);
          CHECK_FAILS(write(pair.client, bad, size), EFAULT);
          const iovec piece{bad, size};
          CHECK_FAILS(writev(pair.client, &piece, 1), EFAULT);
        }
        CHECK_EQ(send(pair.client, "12345", 5, 0), 5);
        CHECK(Poll(pair.server, POLLIN, kSoon) & POLLIN);
        CHECK_FAILS(recv(pair.server, bad, 5, 0), EFAULT);
        // Linux keeps the bytes of a stream and drops the datagram, unless the address is one that
        // no process can have.
        char kept[5];
        const ssize_t left = recv(pair.server, kept, 5, MSG_DONTWAIT);
        if (left < 0) CHECK_EQ(errno, EAGAIN);
        CHECK_EQ(left, stream || bad == kernel ? 5 : -1);
        if (left >= 0) CHECK(memcmp(kept, "12345", 5) == 0);
      }
      if (stream) ReceiveInParts(pair);
      CHECK_EQ(send(pair.client, "12345", 5, 0), 5);
      CHECK(Poll(pair.server, POLLIN, kSoon) & POLLIN);
      CHECK_FAILS(read(pair.server, readonly, 5), EFAULT);
      while (recv(pair.server, memory, 5, MSG_DONTWAIT) > 0) continue;

      // Memory that ends in the middle. A datagram is not sent at all; of a stream some of what
      // could be read may be.
      const ssize_t sent = send(pair.client, edge - 10, 20, MSG_NOSIGNAL);
      if (sent < 0) CHECK_EQ(errno, EFAULT);
      CHECK(stream ? sent <= 10 : sent < 0);
      if (sent > 0) ReceiveAll(pair.server, memory, sent);
      CHECK_FAILS(recv(pair.server, &byte, 1, MSG_DONTWAIT), EAGAIN);

      CHECK_FAILS(syscall(SYS_writev, int(pair.client), wild, 1), EFAULT);
      CHECK_FAILS(sendmsg(pair.client, reinterpret_cast<msghdr*>(wild), 0), EFAULT);
      CHECK_FAILS(recvmsg(pair.server, reinterpret_cast<msghdr*>(wild), 0), EFAULT);

      const Address own = NameOf(pair.server);
      CHECK_FAILS(getsockname(pair.server, reinterpret_cast<sockaddr*>(wild),
                              reinterpret_cast<socklen_t*>(memory)),
                  EFAULT);
      Address address;
      CHECK_FAILS(getsockname(pair.server, address.get(), reinterpret_cast<socklen_t*>(wild)),
                  EFAULT);
      CHECK_FAILS(connect(pair.client, reinterpret_cast<sockaddr*>(wild), own.size), EFAULT);
      socklen_t size = 4;
      CHECK_FAILS(getsockopt(pair.client, SOL_SOCKET, SO_TYPE, wild, &size), EFAULT);
      CHECK_FAILS(setsockopt(pair.client, SOL_SOCKET, SO_KEEPALIVE, wild, 4), EFAULT);
      CHECK_FAILS(ioctl(pair.client, FIONREAD, wild), EFAULT);

      // The socket is as good as before.
      for (int i = 0; i < 5; i++) {
        CHECK_EQ(send(pair.client, "x", 1, 0), 1);
        CHECK_EQ(recv(pair.server, &byte, 1, 0), 1);
      }
    }
  }

  // A buffer that another thread unmaps and maps while it is in use: errors or data, no signal.
  Pair tcp = TcpPair(AF_INET);
  SetNonblocking(tcp.client);
  SetNonblocking(tcp.server);
  std::atomic<bool> stop = false;
  Thread mapper([&] {
    while (!stop) {
      CHECK_OK(mprotect(memory, page, PROT_NONE));
      CHECK_OK(mprotect(memory, page, PROT_READ | PROT_WRITE));
    }
  });
  for (int i = 0; i < 1500; i++) {
    const ssize_t sent = send(tcp.client, memory, 1 + i * 41 % 4000, MSG_NOSIGNAL);
    if (sent < 0) CHECK(errno == EFAULT || errno == EAGAIN);
    const ssize_t got = recv(tcp.server, memory, 1 + i * 31 % 4000, 0);
    if (got < 0) CHECK(errno == EFAULT || errno == EAGAIN);
  }
  stop = true;
  return 0;
}
