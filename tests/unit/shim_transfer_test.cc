// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
// (The check for null reads the flags of an addition that the linker makes a lea: addresses of
// thread-local variables.)
//
// What the shim answers over lanes, and what it leaves to the kernel.
#include "libsyscall-shim/transfer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "libsyscall-shim/operation.h"
#include "tests/unit/hostile_service.h"
#include "tests/unit/simulated_session.h"

namespace vos::shim {
namespace {

std::vector<char> Pattern(std::size_t bytes) {
  std::vector<char> data(bytes);
  std::iota(data.begin(), data.end(), 1);
  return data;
}

class ShimTransfer : public testing::Test {
 protected:
  void Open(int type) {
    ASSERT_EQ(socketpair(AF_UNIX, type, 0, pair_), 0);
    session_.Redirect(pair_[0], type == SOCK_STREAM ? VOS_KIND_STREAM : VOS_KIND_DATAGRAM);
    session_.Earn();
  }

  void TearDown() override {
    if (pair_[0] >= 0) close(pair_[0]);
    if (pair_[1] >= 0) close(pair_[1]);
  }

  int ours() const { return pair_[0]; }
  int theirs() const { return pair_[1]; }
  void CloseTheirs() {
    close(pair_[1]);
    pair_[1] = -1;
  }

  SimulatedSession session_;
  int pair_[2] = {-1, -1};
};

TEST_F(ShimTransfer, SendsAndReceivesEverySizeWithoutATrap) {
  Open(SOCK_STREAM);
  for (const std::size_t bytes : {1, 7, 23, 24, 25, 39, 40, 41, 64, 65, 4095, 4096, 4097, 65536}) {
    const std::vector<char> data = Pattern(bytes);
    std::vector<char> got(bytes);
    errno = 4711;
    ASSERT_EQ(Send(ours(), data.data(), bytes, 0), static_cast<ssize_t>(bytes));
    ASSERT_EQ(recv(theirs(), got.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
    ASSERT_EQ(got, data);
    std::ranges::fill(got, 0);
    ASSERT_EQ(write(theirs(), data.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(Read(ours(), got.data(), bytes), static_cast<ssize_t>(bytes));
    ASSERT_EQ(got, data);
    EXPECT_EQ(errno, 4711);
  }
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().fast, 28u);
}

TEST_F(ShimTransfer, EveryFormOfACallIsFast) {
  Open(SOCK_STREAM);
  const std::vector<char> data = Pattern(100);
  std::vector<char> got(100);
  iovec out[3] = {{const_cast<char*>(data.data()), 30},
                  {nullptr, 0},
                  {const_cast<char*>(data.data()) + 30, 70}};
  iovec in[2] = {{got.data(), 1}, {got.data() + 1, 99}};
  msghdr message{};
  message.msg_iov = out;
  message.msg_iovlen = 3;
  msghdr reception{};
  reception.msg_iov = in;
  reception.msg_iovlen = 2;
  reception.msg_flags = -1;

  ASSERT_EQ(Write(ours(), data.data(), 100), 100);
  ASSERT_EQ(Sendto(ours(), data.data(), 100, 0, nullptr, 0), 100);
  ASSERT_EQ(Writev(ours(), out, 3), 100);
  ASSERT_EQ(Sendmsg(ours(), &message, 0), 100);
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(recv(theirs(), got.data(), 100, MSG_WAITALL), 100);
    ASSERT_EQ(got, data);
  }
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(write(theirs(), data.data(), 100), 100);
    std::ranges::fill(got, 0);
    switch (i) {
      case 0:
        ASSERT_EQ(Recv(ours(), got.data(), 100, 0), 100);
        break;
      case 1:
        ASSERT_EQ(Recvfrom(ours(), got.data(), 100, 0, nullptr, nullptr), 100);
        break;
      case 2:
        ASSERT_EQ(Readv(ours(), in, 2), 100);
        break;
      case 3:
        ASSERT_EQ(Recvmsg(ours(), &reception, 0), 100);
        break;
    }
    ASSERT_EQ(got, data);
  }
  EXPECT_EQ(reception.msg_flags, 0);
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimTransfer, AReceiveThatWouldBlockIsLeftToTheKernel) {
  Open(SOCK_STREAM);
  std::jthread sender([this] {
    // Only then, however long the others take to get there.
    while (session_.traps == 0) usleep(100);
    EXPECT_EQ(write(theirs(), "x", 1), 1);
  });
  char byte = 0;
  EXPECT_EQ(Read(ours(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().trap_would_block, 1u);
}

TEST_F(ShimTransfer, WhatArrivesWhileOthersRunNeedsNoTrap) {
  Open(SOCK_STREAM);
  session_.on_yield = [this] { EXPECT_EQ(write(theirs(), "x", 1), 1); };
  char byte = 0;
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(Read(ours(), &byte, 1), 1);
    EXPECT_EQ(session_.yields, i);
  }
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().yields, 100u);
  EXPECT_EQ(session_.counters().trap_would_block, 0u);
}

TEST_F(ShimTransfer, LettingOthersRunInVainBecomesRare) {
  Open(SOCK_STREAM);
  next.read = [](int, void*, size_t) -> ssize_t { return 0; };
  char byte = 0;
  for (int i = 0; i < 4000; ++i) EXPECT_EQ(Read(ours(), &byte, 1), 0);
  EXPECT_EQ(session_.counters().trap_would_block, 4000u);
  const int in_vain = session_.yields;
  EXPECT_LT(in_vain, 40);
  // Once it helps again it is done each time again.
  session_.on_yield = [this] { EXPECT_EQ(write(theirs(), "x", 1), 1); };
  for (int i = 0; i < 2000; ++i) Read(ours(), &byte, 1);
  EXPECT_GT(session_.yields, 500);
}

TEST_F(ShimTransfer, DontwaitNeedsNoTrap) {
  Open(SOCK_STREAM);
  char byte;
  EXPECT_EQ(Recv(ours(), &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimTransfer, ANonBlockingDescriptorNeedsNoTrap) {
  Open(SOCK_STREAM);
  ASSERT_EQ(fcntl(ours(), F_SETFL, O_NONBLOCK), 0);
  char byte;
  EXPECT_EQ(Read(ours(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(session_.traps, 0);
}

// Which may have an error to tell first.
TEST_F(ShimTransfer, TheKernelTellsTheEndOfAStream) {
  Open(SOCK_STREAM);
  CloseTheirs();
  char byte;
  EXPECT_EQ(Read(ours(), &byte, 1), 0);
  EXPECT_EQ(session_.traps, 1);
}

volatile sig_atomic_t broken_pipes;

TEST_F(ShimTransfer, TheKernelRaisesSigpipe) {
  Open(SOCK_STREAM);
  CloseTheirs();
  broken_pipes = 0;
  signal(SIGPIPE, [](int) { broken_pipes = broken_pipes + 1; });
  EXPECT_EQ(Write(ours(), "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(broken_pipes, 1);
  EXPECT_EQ(Send(ours(), "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(broken_pipes, 1);
  EXPECT_EQ(session_.traps, 2);
  signal(SIGPIPE, SIG_DFL);
}

TEST_F(ShimTransfer, TheRestOfAPartialSendGoesByTrap) {
  Open(SOCK_STREAM);
  session_.answer = [this](vos_request request, vos_completion& completion, std::byte* chunk) {
    request.len /= 2;
    session_.Execute(request, completion, chunk);
  };
  const std::vector<char> data = Pattern(1000);
  std::vector<char> got(1000);
  iovec out[3] = {{const_cast<char*>(data.data()), 499},
                  {const_cast<char*>(data.data()) + 499, 2},
                  {const_cast<char*>(data.data()) + 501, 499}};
  ASSERT_EQ(Writev(ours(), out, 3), 1000);
  ASSERT_EQ(recv(theirs(), got.data(), 1000, MSG_WAITALL), 1000);
  EXPECT_EQ(got, data);
  EXPECT_EQ(out[0].iov_len, 499u);
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().fast_continued, 1u);

  // The part counts if the rest fails, without a signal and with errno as it was.
  session_.answer = [this](vos_request request, vos_completion& completion, std::byte* chunk) {
    request.len /= 2;
    session_.Execute(request, completion, chunk);
    shutdown(ours(), SHUT_WR);
  };
  errno = 4711;
  EXPECT_EQ(Write(ours(), data.data(), 1000), 500);
  EXPECT_EQ(errno, 4711);
  EXPECT_EQ(session_.traps, 2);
}

TEST_F(ShimTransfer, APartialSendThatMayNotWaitIsReturned) {
  Open(SOCK_STREAM);
  session_.answer = [](const vos_request& request, vos_completion& completion, std::byte*) {
    completion.res = request.len / 2;
  };
  const std::vector<char> data = Pattern(1000);
  EXPECT_EQ(Send(ours(), data.data(), 1000, MSG_DONTWAIT), 500);
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimTransfer, WaitallAddsUp) {
  Open(SOCK_STREAM);
  std::vector<char> got(100);
  const std::vector<char> data = Pattern(100);
  ASSERT_EQ(write(theirs(), data.data(), 30), 30);
  {
    std::jthread sender([&] {
      usleep(20'000);
      EXPECT_EQ(write(theirs(), data.data() + 30, 70), 70);
    });
    EXPECT_EQ(Recv(ours(), got.data(), 100, MSG_WAITALL), 100);
  }
  EXPECT_EQ(got, data);
  EXPECT_EQ(session_.traps, 1);

  // With MSG_PEEK the kernel does all of it. (A Unix socket does not wait then.)
  ASSERT_EQ(write(theirs(), data.data(), 30), 30);
  EXPECT_EQ(Recv(ours(), got.data(), 100, MSG_WAITALL | MSG_PEEK), 30);
  EXPECT_EQ(session_.traps, 2);
  EXPECT_EQ(Recv(ours(), got.data(), 30, MSG_WAITALL), 30);
  EXPECT_EQ(session_.traps, 2);

  ASSERT_EQ(write(theirs(), data.data(), 30), 30);
  CloseTheirs();
  EXPECT_EQ(Recv(ours(), got.data(), 100, MSG_WAITALL), 30);
}

TEST_F(ShimTransfer, WhatDoesNotFitTheChunk) {
  Open(SOCK_STREAM);
  const std::vector<char> data = Pattern(65537);
  std::vector<char> got(1 << 20);
  std::jthread receiver([&] {
    std::vector<char> drained(65537);
    EXPECT_EQ(recv(theirs(), drained.data(), drained.size(), MSG_WAITALL), 65537);
    EXPECT_EQ(drained, data);
  });
  EXPECT_EQ(Write(ours(), data.data(), 65537), 65537);
  receiver.join();
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().trap_size, 1u);
  ASSERT_EQ(write(theirs(), data.data(), 1000), 1000);
  EXPECT_EQ(Read(ours(), got.data(), got.size()), 1000);
  EXPECT_EQ(session_.traps, 1);
  // Linux refuses this.
  EXPECT_EQ(Read(ours(), got.data(), std::numeric_limits<size_t>::max()), -1);
  EXPECT_EQ(session_.traps, 2);
}

TEST_F(ShimTransfer, DatagramsKeepTheirBounds) {
  Open(SOCK_DGRAM);
  const std::vector<char> data = Pattern(200);
  std::vector<char> got(200);
  iovec in{got.data(), 50};
  msghdr reception{};
  reception.msg_iov = &in;
  reception.msg_iovlen = 1;
  ASSERT_EQ(send(theirs(), data.data(), 200, 0), 200);
  ASSERT_EQ(send(theirs(), data.data(), 10, 0), 10);
  EXPECT_EQ(Recvmsg(ours(), &reception, 0), 50);
  EXPECT_EQ(reception.msg_flags, MSG_TRUNC);
  EXPECT_EQ(Recv(ours(), got.data(), 200, MSG_WAITALL), 10);
  EXPECT_EQ(session_.traps, 0);
  std::vector<char> large(65537);
  ASSERT_EQ(send(theirs(), data.data(), 200, 0), 200);
  EXPECT_EQ(Recv(ours(), large.data(), large.size(), 0), 200);
  EXPECT_EQ(session_.traps, 1);
}

TEST_F(ShimTransfer, ArgumentsThatAreTheKernels) {
  Open(SOCK_DGRAM);
  char data[64] = {};
  char control[64];
  sockaddr_storage address;
  socklen_t length = sizeof(address);
  iovec part{data, sizeof(data)};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  int traps = 0;
  auto expect_trap = [&](ssize_t) { EXPECT_EQ(session_.traps, ++traps); };
  fcntl(ours(), F_SETFL, O_NONBLOCK);

  for (const int flag : {MSG_OOB, MSG_TRUNC, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC}) {
    expect_trap(Recv(ours(), data, sizeof(data), flag));
  }
  for (const int flag : {MSG_OOB, MSG_EOR, MSG_CONFIRM, MSG_ZEROCOPY, MSG_FASTOPEN}) {
    expect_trap(Send(ours(), data, sizeof(data), flag));
  }
  expect_trap(
      Recvfrom(ours(), data, sizeof(data), 0, reinterpret_cast<sockaddr*>(&address), &length));
  expect_trap(Sendto(ours(), data, sizeof(data), 0, reinterpret_cast<sockaddr*>(&address), 0));
  expect_trap(Read(ours(), data, 0));
  expect_trap(Write(ours(), data, 0));
  expect_trap(Readv(ours(), &part, 0));
  expect_trap(Readv(ours(), &part, -1));
  expect_trap(Writev(ours(), nullptr, 100000));
  iovec many[kMaxVector + 1];
  for (iovec& one : many) one = {data, 1};
  expect_trap(Writev(ours(), many, kMaxVector + 1));
  iovec huge[2] = {{data, std::numeric_limits<size_t>::max()}, {data, 2}};
  expect_trap(Writev(ours(), huge, 2));
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  expect_trap(Recvmsg(ours(), &message, 0));
  message.msg_controllen = 0;
  message.msg_name = &address;
  message.msg_namelen = sizeof(address);
  expect_trap(Recvmsg(ours(), &message, 0));
  expect_trap(Sendmsg(ours(), &message, 0));
  EXPECT_EQ(session_.counters().fast, 0u);
}

TEST_F(ShimTransfer, BadPointersBeforeAnythingIsSent) {
  Open(SOCK_STREAM);
  auto* const bad = reinterpret_cast<char*>(16);
  auto* const non_canonical = reinterpret_cast<char*>(0xdeadbeefdeadbeef);
  auto* const kernel_address = reinterpret_cast<char*>(0xffff888000000000);
  for (char* const pointer : {bad, non_canonical, kernel_address, static_cast<char*>(nullptr)}) {
    ASSERT_EQ(write(theirs(), "abc", 3), 3);
    for (const size_t bytes : {1, 30, 3000}) {
      EXPECT_EQ(Write(ours(), pointer, bytes), -1);
      EXPECT_EQ(errno, EFAULT);
      EXPECT_EQ(Read(ours(), pointer, bytes), -1);
      EXPECT_EQ(errno, EFAULT);
    }
    EXPECT_EQ(Readv(ours(), reinterpret_cast<iovec*>(pointer), 1), -1);
    EXPECT_EQ(errno, EFAULT);
    EXPECT_EQ(Recvmsg(ours(), reinterpret_cast<msghdr*>(pointer), 0), -1);
    EXPECT_EQ(errno, EFAULT);
    // Nothing was consumed by the failures.
    char got[3];
    EXPECT_EQ(Read(ours(), got, 3), 3);
    EXPECT_EQ(std::string(got, 3), "abc");
  }
  EXPECT_EQ(session_.counters().fast, 4u);
}

TEST_F(ShimTransfer, AReceiveIntoABufferThatEndsTooEarly) {
  Open(SOCK_STREAM);
  auto* const page = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(mprotect(page + 4096, 4096, PROT_READ), 0);
  const std::vector<char> data = Pattern(200);
  ASSERT_EQ(write(theirs(), data.data(), 200), 200);
  EXPECT_EQ(Read(ours(), page + 4000, 200), -1);
  EXPECT_EQ(errno, EFAULT);
  // It was the kernel's to judge, which takes nothing; and the thread's lane is as good as before.
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(Read(ours(), page, 200), 200);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), page));
  EXPECT_EQ(session_.traps, 1);
  munmap(page, 8192);
}

TEST_F(ShimTransfer, ASuspendedOrDeadSessionTraps) {
  Open(SOCK_STREAM);
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  session_.header().suspended = 1;
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.traps, 1);
  session_.header().suspended = 0;
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.traps, 1);
  session_.header().dead = 1;
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.traps, 2);
  EXPECT_EQ(session_.counters().trap_suspended, 1u);
  EXPECT_EQ(session_.counters().trap_no_session, 1u);
}

TEST_F(ShimTransfer, ADescriptorReplacedUnderTheCallIsTheKernels) {
  Open(SOCK_STREAM);
  session_.answer = [this](const vos_request& request, vos_completion& completion,
                           std::byte* chunk) {
    session_.Redirect(ours(), VOS_KIND_STREAM);
    session_.Execute(request, completion, chunk);
  };
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().trap_service, 1u);
}

TEST_F(ShimTransfer, OtherDescriptorsAreNotTouched) {
  Open(SOCK_STREAM);
  EXPECT_EQ(Write(theirs(), "x", 1), 1);
  EXPECT_EQ(Write(-1, "x", 1), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(Write(100'000, "x", 1), -1);
  EXPECT_EQ(Write(std::numeric_limits<int>::min(), "x", 1), -1);
  EXPECT_EQ(session_.traps, 4);
  EXPECT_EQ(session_.counters().fast, 0u);
}

TEST_F(ShimTransfer, ErrorsOfTheServiceAreReturned) {
  Open(SOCK_STREAM);
  std::int64_t result = 0;
  session_.answer = [&](const vos_request&, vos_completion& completion, std::byte*) {
    completion.res = result;
  };
  const struct {
    std::int64_t result;
    int expected;
  } cases[] = {{-ECONNRESET, ECONNRESET},
               {-ENOTCONN, ENOTCONN},
               {-512, EIO},
               {-4096, EIO},
               {std::numeric_limits<std::int64_t>::min(), EIO}};
  char byte;
  for (const auto& [answer, expected] : cases) {
    result = answer;
    EXPECT_EQ(Read(ours(), &byte, 1), -1);
    EXPECT_EQ(errno, expected);
    EXPECT_EQ(Write(ours(), &byte, 1), -1);
    EXPECT_EQ(errno, expected);
  }
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimTransfer, AHostileServiceWritesOnlyIntoTheBuffer) {
  Open(SOCK_STREAM);
  fcntl(ours(), F_SETFL, O_NONBLOCK);
  signal(SIGPIPE, SIG_IGN);
  CallHostileService(session_, [this](int i, char* data, std::size_t bytes, auto&) {
    char drain[4096];
    while (recv(theirs(), drain, sizeof(drain), MSG_DONTWAIT) > 0) continue;
    if (i % 3 == 0) return Send(ours(), data, bytes, i % 2 == 0 ? MSG_DONTWAIT : 0);
    if (i % 3 == 1) return Recv(ours(), data, bytes, i % 2 == 0 ? MSG_WAITALL : 0);
    iovec parts[2] = {{data, bytes / 3}, {data + bytes / 3, bytes - bytes / 3}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    return Recvmsg(ours(), &message, 0);
  });
  signal(SIGPIPE, SIG_DFL);
}

TEST_F(ShimTransfer, NothingOfTheStackLeaksIntoARequest) {
  Open(SOCK_STREAM);
  vos_request seen{};
  session_.answer = [&](const vos_request& request, vos_completion& completion, std::byte*) {
    seen = request;
    completion.res = 1;
  };
  EXPECT_EQ(Write(ours(), "x", 1), 1);
  EXPECT_TRUE(std::all_of(seen.arg.imm + 1, seen.arg.imm + VOS_SEND_INLINE,
                          [](std::uint8_t byte) { return byte == 0; }));
  EXPECT_EQ(seen.arg.imm[0], 'x');
  EXPECT_EQ(seen.fd, ours());
  EXPECT_EQ(seen.flags, VOS_REQ_INLINE);
}

TEST(ShimCopy, CopiesEveryLengthAndNoMore) {
  std::vector<char> from = Pattern(600);
  for (std::size_t bytes = 0; bytes < 520; ++bytes) {
    for (std::size_t offset : {0, 1, 15}) {
      std::vector<char> to(600, 'g');
      ASSERT_TRUE(CopyToProgram(to.data() + offset, from.data() + 3, bytes));
      ASSERT_TRUE(std::equal(from.begin() + 3,
                             from.begin() + 3 + static_cast<std::ptrdiff_t>(bytes),
                             to.begin() + static_cast<std::ptrdiff_t>(offset)));
      ASSERT_EQ(std::count(to.begin(), to.begin() + static_cast<std::ptrdiff_t>(offset), 'g'),
                static_cast<std::ptrdiff_t>(offset));
      ASSERT_TRUE(std::all_of(to.begin() + static_cast<std::ptrdiff_t>(offset + bytes), to.end(),
                              [](char c) { return c == 'g'; }));
    }
  }
}

}  // namespace
}  // namespace vos::shim
