// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
// (The check for null reads the flags of an addition that the linker makes a lea: addresses of
// thread-local variables.)
//
// Positioned calls and syncs on files: what the shim answers over lanes, what it leaves to the
// kernel, and its sessions with two domains at once.
#include "libsyscall-shim/file_transfer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <x86intrin.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "libsyscall-shim/operation.h"
#include "libsyscall-shim/transfer.h"
#include "tests/unit/hostile_service.h"
#include "tests/unit/simulated_session.h"

namespace vos::shim {
namespace {

constexpr off_t kLastPosition = std::numeric_limits<off_t>::max();

std::vector<char> Pattern(std::size_t bytes, int first = 1) {
  std::vector<char> data(bytes);
  std::iota(data.begin(), data.end(), first);
  return data;
}

// The calls that leave the fast path to others.
std::uint64_t Trapped(const struct vos_shim_counters& counters) {
  return counters.trap_no_session + counters.trap_suspended + counters.trap_arguments +
         counters.trap_size + counters.trap_fault + counters.trap_busy + counters.trap_no_lane +
         counters.trap_would_block + counters.trap_end + counters.trap_service + counters.trap_lost;
}

class ShimFile : public testing::Test {
 public:
  ShimFile() {
    current_ = this;
    char name[] = "/tmp/shim_file.XXXXXX";
    file_ = mkstemp(name);
    if (file_ < 0) std::abort();
    unlink(name);
    session_.Redirect(file_, VOS_KIND_FILE);
  }
  ~ShimFile() override {
    close(file_);
    current_ = nullptr;
  }

  // Another description of the file, redirected, with these flags.
  int OpenAgain(int flags) {
    const int fd = open(("/proc/self/fd/" + std::to_string(file_)).c_str(), flags);
    if (fd < 0) std::abort();
    session_.Redirect(fd, VOS_KIND_FILE);
    return fd;
  }

  std::vector<char> Contents() {
    std::vector<char> all(static_cast<std::size_t>(lseek(file_, 0, SEEK_END)));
    EXPECT_EQ(pread(file_, all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
    return all;
  }

  static inline ShimFile* current_ = nullptr;
  SimulatedSession session_{Domain::kStorage};
  int file_ = -1;
};

TEST_F(ShimFile, WritesAndReadsEverySizeWithoutATrap) {
  session_.Earn();
  off_t position = 3;
  for (const std::size_t bytes : {1, 7, 24, 40, 41, 512, 4095, 4096, 4097, 65535, 65536}) {
    const std::vector<char> data = Pattern(bytes);
    std::vector<char> got(bytes);
    errno = 4711;
    ASSERT_EQ(Pwrite(file_, data.data(), bytes, position), static_cast<ssize_t>(bytes));
    ASSERT_EQ(Pread(file_, got.data(), bytes, position), static_cast<ssize_t>(bytes));
    ASSERT_EQ(got, data);
    EXPECT_EQ(errno, 4711);
    position += static_cast<off_t>(bytes);
  }
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().fast, 22u);
  EXPECT_EQ(session_.counters().file_fast, 22u);
  EXPECT_EQ(session_.counters().file_sessions, 1u);
  EXPECT_EQ(lseek(file_, 0, SEEK_CUR), 0);
}

TEST_F(ShimFile, EveryFormOfACallIsFast) {
  session_.Earn();
  const std::vector<char> data = Pattern(100);
  std::vector<char> got(100);
  iovec out[3] = {{const_cast<char*>(data.data()), 30},
                  {nullptr, 0},
                  {const_cast<char*>(data.data()) + 30, 70}};
  iovec in[2] = {{got.data(), 1}, {got.data() + 1, 99}};
  EXPECT_EQ(Pwrite(file_, data.data(), 100, 0), 100);
  EXPECT_EQ(Pwritev(file_, out, 3, 100), 100);
  EXPECT_EQ(Pwritev2(file_, out, 3, 200, 0), 100);
  for (int i = 0; i < 3; ++i) {
    std::ranges::fill(got, 0);
    switch (i) {
      case 0:
        ASSERT_EQ(Pread(file_, got.data(), 100, 0), 100);
        break;
      case 1:
        ASSERT_EQ(Preadv(file_, in, 2, 100), 100);
        break;
      case 2:
        ASSERT_EQ(Preadv2(file_, in, 2, 200, 0), 100);
        break;
    }
    EXPECT_EQ(got, data);
  }
  EXPECT_EQ(Fsync(file_), 0);
  EXPECT_EQ(Fdatasync(file_), 0);
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().file_fast, 8u);
}

TEST_F(ShimFile, TheEndOfTheFile) {
  session_.Earn();
  const std::vector<char> data = Pattern(10);
  std::vector<char> got(100, 'g');
  ASSERT_EQ(Pwrite(file_, data.data(), 10, 0), 10);
  EXPECT_EQ(Pread(file_, got.data(), 100, 4), 6);
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + 6, data.begin() + 4));
  EXPECT_EQ(got[6], 'g');
  EXPECT_EQ(Pread(file_, got.data(), 100, 10), 0);
  EXPECT_EQ(Pread(file_, got.data(), 1, kLastPosition - 1), 0);
  // A hole.
  EXPECT_EQ(Pwrite(file_, "x", 1, 1 << 20), 1);
  EXPECT_EQ(Pread(file_, got.data(), 2, (1 << 20) - 1), 2);
  EXPECT_EQ(got[0], '\0');
  EXPECT_EQ(got[1], 'x');
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimFile, WhatIsLargerThanTheChunkIsOneSystemCall) {
  session_.Earn();
  const std::vector<char> data = Pattern(65537);
  std::vector<char> got(65537);
  iovec out[2] = {{const_cast<char*>(data.data()), 65536},
                  {const_cast<char*>(data.data()) + 65536, 1}};
  EXPECT_EQ(Pwrite(file_, data.data(), 65537, 0), 65537);
  EXPECT_EQ(Pwritev(file_, out, 2, 65537), 65537);
  EXPECT_EQ(Pread(file_, got.data(), 65537, 65537), 65537);
  EXPECT_EQ(got, data);
  EXPECT_EQ(Pread(file_, got.data(), std::numeric_limits<size_t>::max(), 0), -1);
  EXPECT_EQ(session_.traps, 4);
  EXPECT_EQ(session_.counters().trap_size, 3u);
  EXPECT_EQ(session_.counters().file_fast, 0u);
}

TEST_F(ShimFile, ArgumentsThatAreTheKernels) {
  session_.Earn();
  char data[64] = {};
  iovec part{data, sizeof(data)};
  int traps = 0;
  auto expect_trap = [&](ssize_t result, int error) {
    EXPECT_EQ(session_.traps, ++traps);
    if (error == 0) {
      EXPECT_EQ(result, 0);
    } else {
      EXPECT_EQ(result, -1);
      EXPECT_EQ(errno, error);
    }
  };
  expect_trap(Pread(file_, data, 0, 0), 0);
  expect_trap(Pwrite(file_, data, 0, 0), 0);
  expect_trap(Pread(file_, data, 1, -1), EINVAL);
  expect_trap(Pwrite(file_, data, 1, -1), EINVAL);
  expect_trap(Pread(file_, data, 1, std::numeric_limits<off_t>::min()), EINVAL);
  expect_trap(Preadv(file_, &part, 1, -2), EINVAL);
  expect_trap(Pwritev(file_, &part, 1, -2), EINVAL);
  expect_trap(Preadv(file_, &part, -1, 0), EINVAL);
  expect_trap(Pwritev(file_, nullptr, 100'000, 0), EINVAL);
  expect_trap(Preadv(file_, &part, 0, 0), 0);
  // Behind the last position there can be.
  (void)Pread(file_, data, 2, kLastPosition);
  EXPECT_EQ(session_.traps, ++traps);
  (void)Pwrite(file_, data, 2, kLastPosition);
  EXPECT_EQ(session_.traps, ++traps);
  iovec many[kMaxVector + 1];
  for (iovec& one : many) one = {data, 1};
  EXPECT_EQ(Pwritev(file_, many, kMaxVector + 1, 0), static_cast<ssize_t>(kMaxVector) + 1);
  EXPECT_EQ(session_.traps, ++traps);
  iovec huge[2] = {{data, std::numeric_limits<size_t>::max()}, {data, 2}};
  expect_trap(Pwritev(file_, huge, 2, 0), EINVAL);
  EXPECT_EQ(session_.counters().fast, 0u);
}

TEST_F(ShimFile, FlagsAndThePositionOfTheDescriptionAreTheKernels) {
  session_.Earn();
  char data[4] = {'a', 'b', 'c', 'd'};
  iovec part{data, sizeof(data)};
  EXPECT_EQ(Pwritev2(file_, &part, 1, 0, RWF_DSYNC), 4);
  EXPECT_EQ(Pwritev2(file_, &part, 1, -1, 0), 4);
  EXPECT_EQ(lseek(file_, 0, SEEK_CUR), 4);
  EXPECT_EQ(Pwritev2(file_, &part, 1, 0, RWF_APPEND), 4);
  EXPECT_EQ(lseek(file_, 0, SEEK_END), 8);
  lseek(file_, 0, SEEK_SET);
  EXPECT_EQ(Preadv2(file_, &part, 1, -1, 0), 4);
  EXPECT_EQ(Preadv2(file_, &part, 1, 0, RWF_HIPRI), 4);
  EXPECT_EQ(session_.traps, 5);
  EXPECT_EQ(session_.counters().trap_arguments, 5u);
}

TEST_F(ShimFile, ReadAndWriteUseThePositionByTrap) {
  session_.Earn();
  EXPECT_EQ(Write(file_, "abcd", 4), 4);
  EXPECT_EQ(Pwrite(file_, "XY", 2, 1), 2);
  EXPECT_EQ(Write(file_, "e", 1), 1);
  EXPECT_EQ(Contents(), (std::vector<char>{'a', 'X', 'Y', 'd', 'e'}));
  EXPECT_EQ(session_.traps, 2);
  EXPECT_EQ(Trapped(session_.counters()), 0u);
}

TEST_F(ShimFile, AppendingAndDirectDescriptionsAreTheKernels) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abcd", 4, 0), 4);
  const int appending = OpenAgain(O_RDWR | O_APPEND);
  // As Linux has it, the position does not count.
  EXPECT_EQ(Pwrite(appending, "e", 1, 0), 1);
  EXPECT_EQ(Contents(), (std::vector<char>{'a', 'b', 'c', 'd', 'e'}));
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().trap_service, 1u);
  EXPECT_EQ(session_.counters().file_fast, 1u);
  EXPECT_EQ(Fsync(appending), 0);
  EXPECT_EQ(session_.traps, 1);
  close(appending);
}

TEST_F(ShimFile, WhatTheDescriptionDoesNotAllow) {
  session_.Earn();
  char byte;
  const int reading = OpenAgain(O_RDONLY), writing = OpenAgain(O_WRONLY);
  EXPECT_EQ(Pwrite(reading, "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(Pread(writing, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  // Of what -EBADF says the kernel has the last word.
  EXPECT_EQ(session_.traps, 2);
  close(reading);
  close(writing);
}

TEST_F(ShimFile, BadPointersAreTheKernels) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  auto* const bad = reinterpret_cast<char*>(16);
  auto* const non_canonical = reinterpret_cast<char*>(0xdeadbeefdeadbeef);
  auto* const kernel_address = reinterpret_cast<char*>(0xffff888000000000);
  for (char* const pointer : {bad, non_canonical, kernel_address, static_cast<char*>(nullptr)}) {
    for (const size_t bytes : {1, 30, 3000}) {
      EXPECT_EQ(Pwrite(file_, pointer, bytes, 0), -1);
      EXPECT_EQ(errno, EFAULT);
      EXPECT_EQ(Pread(file_, pointer, bytes, 0), -1);
      EXPECT_EQ(errno, EFAULT);
    }
    EXPECT_EQ(Preadv(file_, reinterpret_cast<iovec*>(pointer), 1, 0), -1);
    EXPECT_EQ(errno, EFAULT);
  }
  EXPECT_EQ(Contents(), (std::vector<char>{'a', 'b', 'c'}));
  const auto counters = session_.counters();
  EXPECT_EQ(counters.file_fast, 1u);
  EXPECT_EQ(counters.trap_fault, 28u);
}

TEST_F(ShimFile, BuffersThatEndTooEarlyAreTransferredAsLinuxDoes) {
  session_.Earn();
  auto* const page = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const std::vector<char> data = Pattern(200);
  ASSERT_EQ(Pwrite(file_, data.data(), 200, 0), 200);
  ASSERT_EQ(mprotect(page + 4096, 4096, PROT_NONE), 0);
  const ssize_t expected = pread(file_, page + 4000, 200, 0);
  EXPECT_EQ(Pread(file_, page + 4000, 200, 0), expected);
  EXPECT_EQ(session_.counters().trap_fault, 1u);
  // The thread's lane is as good as before.
  EXPECT_EQ(Pread(file_, page, 200, 0), 200);
  EXPECT_TRUE(std::equal(data.begin(), data.end(), page));
  (void)Pwrite(file_, page + 4000, 200, 1000);
  EXPECT_EQ(session_.counters().trap_fault, 2u);
  EXPECT_EQ(session_.traps, 2);
  munmap(page, 8192);
}

TEST_F(ShimFile, ErrorsOfTheServiceAreReturned) {
  session_.Earn();
  std::int64_t result = 0;
  session_.answer = [&](const vos_request&, vos_completion& completion, std::byte*) {
    completion.res = result;
  };
  const struct {
    std::int64_t result;
    int expected;
  } cases[] = {{-EIO, EIO},     {-ENOSPC, ENOSPC}, {-EDQUOT, EDQUOT},
               {-EROFS, EROFS}, {-EFBIG, EFBIG},   {-ESTALE, ESTALE},
               {-512, EIO},     {-4096, EIO},      {std::numeric_limits<std::int64_t>::min(), EIO}};
  char byte;
  for (const auto& [answer, expected] : cases) {
    result = answer;
    EXPECT_EQ(Pread(file_, &byte, 1, 0), -1);
    EXPECT_EQ(errno, expected);
    EXPECT_EQ(Pwrite(file_, &byte, 1, 0), -1);
    EXPECT_EQ(errno, expected);
    EXPECT_EQ(Fsync(file_), -1);
    EXPECT_EQ(errno, expected);
    EXPECT_EQ(Fdatasync(file_), -1);
    EXPECT_EQ(errno, expected);
  }
  EXPECT_EQ(session_.traps, 0);
  // A sync has no other result than 0.
  result = 5;
  EXPECT_EQ(Fsync(file_), 0);
  // A part of a write is the answer, as the kernel's would be.
  result = 3;
  EXPECT_EQ(Pwrite(file_, "abcdef", 6, 0), 3);
  EXPECT_EQ(session_.traps, 0);
}

TEST_F(ShimFile, WhatIsWithheldIsDoneByTheKernel) {
  session_.Earn();
  session_.answer = [](const vos_request&, vos_completion& completion, std::byte*) {
    completion.flags = VOS_CPL_TRAP;
    completion.res = -EAGAIN;  // says nothing
  };
  char byte;
  EXPECT_EQ(Pwrite(file_, "x", 1, 0), 1);
  EXPECT_EQ(Pread(file_, &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
  EXPECT_EQ(Fsync(file_), 0);
  EXPECT_EQ(session_.traps, 3);
  EXPECT_EQ(session_.counters().trap_service, 3u);
  EXPECT_EQ(session_.counters().file_fast, 0u);
}

TEST_F(ShimFile, RequestsSayWhatIsMeantAndNoMore) {
  session_.Earn();
  std::vector<vos_request> seen;
  session_.answer = [&](const vos_request& request, vos_completion&, std::byte*) {
    seen.push_back(request);
  };
  char data[1000];
  (void)Pread(file_, data, 1000, 5'000'000'000);
  (void)Pwrite(file_, data, 3, 7);
  (void)Fsync(file_);
  (void)Fdatasync(file_);
  ASSERT_EQ(seen.size(), 4u);
  vos_request expected[4] = {};
  expected[0].op = VOS_OP_PREAD;
  expected[0].len = 1000;
  expected[0].arg.file.pos = 5'000'000'000;
  expected[1].op = VOS_OP_PWRITE;
  expected[1].len = 3;
  expected[1].arg.file.pos = 7;
  expected[2].op = VOS_OP_SYNC;
  expected[3].op = VOS_OP_SYNC;
  expected[3].arg.file.flags = VOS_FILE_DATA;
  for (std::size_t i = 0; i < 4; ++i) {
    expected[i].handle = FdMapOf(session_.base())[file_].handle;
    expected[i].fd = file_;
    expected[i].turn = seen[i].turn;
    EXPECT_EQ(std::memcmp(&seen[i], &expected[i], sizeof(vos_request)), 0) << i;
  }
}

TEST_F(ShimFile, AHostileServiceWritesOnlyIntoTheBuffer) {
  session_.Earn();
  CallHostileService(session_, [this](int i, char* data, std::size_t bytes, auto& random) {
    iovec parts[2] = {{data, bytes / 3}, {data + bytes / 3, bytes - bytes / 3}};
    const auto position = static_cast<off_t>(random() % 1000);
    switch (i % 5) {
      case 0:
        return Pread(file_, data, bytes, position);
      case 1:
        return Pwrite(file_, data, bytes, position);
      case 2:
        return Preadv(file_, parts, 2, position);
      case 3:
        return Pwritev2(file_, parts, 2, position, 0);
      default:
        const ssize_t result = Fdatasync(file_);
        EXPECT_LE(result, 0);
        return result;
    }
  });
}

TEST_F(ShimFile, OtherDescriptorsAreNotTouched) {
  session_.Earn();
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  char byte;
  EXPECT_EQ(Pread(pipes[0], &byte, 1, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  EXPECT_EQ(Pwrite(-1, "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
  EXPECT_EQ(Fsync(100'000), -1);
  EXPECT_EQ(Fdatasync(std::numeric_limits<int>::min()), -1);
  // What is served, but is no file.
  session_.Redirect(pipes[0], VOS_KIND_STREAM);
  EXPECT_EQ(Pread(pipes[0], &byte, 1, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  EXPECT_EQ(session_.traps, 5);
  EXPECT_EQ(session_.counters().fast, 0u);
  session_.Forget(pipes[0]);
  close(pipes[0]);
  close(pipes[1]);
}

TEST_F(ShimFile, AHandlerThatInterruptsACallTraps) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "a", 1, 0), 1);
  session_.InterruptNextWait([](int) {
    EXPECT_EQ(Pwrite(current_->file_, "h", 1, 1), 1);
    EXPECT_EQ(Fsync(current_->file_), 0);
  });
  EXPECT_EQ(Pwrite(file_, "o", 1, 2), 1);
  EXPECT_EQ(session_.counters().trap_busy, 2u);
  EXPECT_EQ(Contents(), (std::vector<char>{'a', 'h', 'o'}));
  EXPECT_EQ(Pwrite(file_, "a", 1, 0), 1);
  EXPECT_EQ(session_.traps, 2);
}

TEST_F(ShimFile, ACallThatIsLostIsDoneByTheKernel) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  char got[3];
  int expected = 0;
  for (int i = 0; i < 3; ++i) {
    session_.header().spin_cycles = 0;
    session_.Stall();
    session_.on_wait = [this] {
      session_.header().dead = VOS_DEAD_CLOSED;
      return static_cast<long>(-ENETDOWN);
    };
    switch (i) {
      case 0:
        EXPECT_EQ(Pread(file_, got, 3, 0), 3);
        EXPECT_EQ(got[2], 'c');
        break;
      case 1:
        EXPECT_EQ(Pwrite(file_, "def", 3, 0), 3);
        EXPECT_EQ(Contents(), (std::vector<char>{'d', 'e', 'f'}));
        break;
      case 2:
        EXPECT_EQ(Fsync(file_), 0);
        break;
    }
    EXPECT_EQ(session_.traps, ++expected);
    EXPECT_EQ(session_.counters().trap_lost, static_cast<std::uint64_t>(expected));
    session_.on_wait = nullptr;
    session_.header().dead = 0;
    session_.ForgetLane();
    session_.Resume();
  }
}

TEST_F(ShimFile, OfAClosedSessionNothingIsAwaited) {
  session_.Earn();
  session_.header().spin_cycles = 0;
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  session_.Stall();
  const int waits = session_.waits;
  // It dies between the look before the call and the sleep.
  session_.on_wait = [this] {
    session_.header().dead = VOS_DEAD_CLOSED;
    return static_cast<long>(-EINTR);
  };
  char byte;
  EXPECT_EQ(Pread(file_, &byte, 1, 0), 1);
  EXPECT_EQ(session_.waits, waits + 1);
  EXPECT_EQ(session_.counters().trap_lost, 1u);
}

TEST_F(ShimFile, ASyncSleepsSoonerThanARead) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  constexpr std::uint32_t kSpin = 200'000'000;
  session_.header().spin_cycles = kSpin;
  std::uint64_t slept = 0;
  session_.on_wait = [&] {
    if (slept == 0) slept = __rdtsc();
    session_.Resume();
    return 0L;
  };
  const auto cycles_before_sleep = [&](auto call) {
    // The shortest of a few: this thread may lose the processor.
    std::uint64_t shortest = ~0ull;
    for (int i = 0; i < 3; ++i) {
      session_.Stall();
      slept = 0;
      const std::uint64_t start = __rdtsc();
      EXPECT_GE(call(), 0);
      shortest = std::min(shortest, slept - start);
    }
    return shortest;
  };
  char byte;
  EXPECT_GE(cycles_before_sleep([&] { return Pread(file_, &byte, 1, 0); }), kSpin);
  EXPECT_GE(cycles_before_sleep([&] { return Pwrite(file_, "x", 1, 0); }), kSpin);
  EXPECT_LT(cycles_before_sleep([&] { return Fsync(file_); }), kSpin / 2);
}

// A handler that runs while a read fetches its data, and whose signal stack nobody told of, uses the
// lane and the arena: the read finds that out and is made again.
TEST_F(ShimFile, WhatAHandlerOverwroteIsNotReturned) {
  session_.Earn();
  const std::string first(1000, 'a'), second(1000, 'b');
  ASSERT_EQ(pwrite(file_, first.data(), 1000, 0), 1000);
  ASSERT_EQ(pwrite(file_, second.data(), 1000, 1000), 1000);
  static char* page;
  static char in_handler[1000];
  static int file;
  file = file_;
  page = static_cast<char*>(
      mmap(nullptr, VOS_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  struct sigaction action{}, old{};
  action.sa_flags = SA_ONSTACK;
  action.sa_handler = [](int) {
    mprotect(page, VOS_PAGE_SIZE, PROT_READ | PROT_WRITE);
    Pread(file, in_handler, sizeof(in_handler), 1000);
  };
  sigaction(SIGSEGV, &action, &old);
  const int traps = session_.traps;
  ssize_t result = 0;
  StackBelowSignalStack::Run([&](const stack_t& above) {
    // Not through the shim.
    sigaltstack(&above, nullptr);
    result = Pread(file_, page, 1000, 0);
  });
  sigaction(SIGSEGV, &old, nullptr);
  EXPECT_EQ(result, 1000);
  EXPECT_EQ(std::string(page, 1000), first);
  EXPECT_EQ(std::string(in_handler, 1000), second);
  EXPECT_EQ(session_.traps, traps + 1);
  EXPECT_EQ(session_.counters().trap_lost, 1u);
  munmap(page, VOS_PAGE_SIZE);
}

TEST_F(ShimFile, AForkedChildTraps) {
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  const pid_t child = fork();
  if (child == 0) {
    char got[3];
    if (StateOf(Domain::kStorage).current.load() != nullptr) _exit(1);
    if (Pread(file_, got, 3, 0) != 3 || Pwrite(file_, "x", 1, 0) != 1) _exit(2);
    _exit(session_.counters().fast == 0 ? 0 : 3);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(Contents(), (std::vector<char>{'x', 'b', 'c'}));
  EXPECT_EQ(Pwrite(file_, "y", 1, 0), 1);
  EXPECT_EQ(session_.traps, 0);
}

pid_t child_of_handler;

TEST_F(ShimFile, AChildForkedByAHandlerThatInterruptedACall) {
  ASSERT_EQ(RegisterForkHandlers(), 0);
  session_.Earn();
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  session_.InterruptNextWait([](int) { child_of_handler = fork(); });
  char got[3];
  const ssize_t result = Pread(file_, got, 3, 0);
  // The child's goes on as the interrupted system call would.
  if (child_of_handler == 0) _exit(result == 3 && got[2] == 'c' ? 0 : 1);
  EXPECT_EQ(result, 3);
  int status = 0;
  EXPECT_EQ(waitpid(child_of_handler, &status, 0), child_of_handler);
  EXPECT_EQ(status, 0);
}

// --------------------------------------------------------- having a session

TEST_F(ShimFile, ASessionIsEarned) {
  char byte;
  for (std::uint32_t i = 1; i < kTrapsBeforeSession; ++i) {
    EXPECT_EQ(Pread(file_, &byte, 1, 0), 0);
    EXPECT_EQ(session_.enters, 0);
  }
  EXPECT_EQ(Fsync(file_), 0);
  EXPECT_EQ(session_.enters, 1);
  EXPECT_EQ(session_.questions, 2);
  EXPECT_EQ(session_.traps, static_cast<int>(kTrapsBeforeSession));
  EXPECT_EQ(Pread(file_, &byte, 1, 0), 0);
  EXPECT_EQ(session_.traps, static_cast<int>(kTrapsBeforeSession));
}

TEST_F(ShimFile, OtherFilesEarnNone) {
  session_.serving = VOS_DOMAIN_NONE;
  for (int i = 0; i < 5000; ++i) NoteCallWithoutSession(Domain::kStorage, file_);
  EXPECT_EQ(session_.enters, 0);
  EXPECT_EQ(ThreadLaneOf(Domain::kStorage).sample_interval, kMaxCallsPerSample);
  EXPECT_LE(session_.questions, 13);
  session_.serving = -EBADF;
  for (int i = 0; i < 5000; ++i) NoteCallWithoutSession(Domain::kStorage, file_);
  EXPECT_EQ(session_.enters, 0);
  session_.serving = VOS_DOMAIN_STORAGE;
  for (int i = 0; i < kMaxCallsPerSample + 2 * kCallsPerSample; ++i) {
    NoteCallWithoutSession(Domain::kStorage, file_);
  }
  EXPECT_EQ(session_.enters, 1);
}

TEST_F(ShimFile, ReadAndWriteEarnNoSessionForFiles) {
  session_.socket_domain = -ENOTSOCK;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Write(file_, "x", 1), 1);
  EXPECT_EQ(session_.questions, 0);
  EXPECT_EQ(session_.enters, 0);
}

TEST_F(ShimFile, AKernelThatKnowsNothingIsAskedOnce) {
  session_.serving = -EINVAL;
  for (int i = 0; i < 5000; ++i) NoteCallWithoutSession(Domain::kStorage, file_);
  EXPECT_EQ(session_.questions, 1);
  EXPECT_EQ(session_.enters, 0);
}

TEST_F(ShimFile, AConfinedProgramAsksForNothing) {
  confinement = kConfined;
  char byte;
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(Pread(file_, &byte, 1, 0), 0);
  EXPECT_EQ(session_.questions, 0);
  EXPECT_EQ(session_.enters, 0);
}

TEST_F(ShimFile, ARefusalBecauseOfTheLimitIsTriedAgainLater) {
  session_.enter_error = -EFBIG;
  for (std::uint32_t i = 0; i < kTrapsBeforeSession; ++i) {
    NoteCallWithoutSession(Domain::kStorage, file_);
  }
  EXPECT_EQ(session_.enters, 1);
  session_.enter_error = 0;
  for (std::uint32_t i = 0; i < kTrapsBeforeRetry; ++i) {
    NoteCallWithoutSession(Domain::kStorage, file_);
  }
  EXPECT_EQ(session_.enters, 2);
  EXPECT_NE(StateOf(Domain::kStorage).current.load(), nullptr);
}

TEST_F(ShimFile, ADeadSessionIsReplacedAlthoughItsMapIsEmpty) {
  session_.Earn();
  char byte;
  EXPECT_EQ(Pwrite(file_, "x", 1, 0), 1);
  session_.header().dead = VOS_DEAD_CLOSED;
  session_.Forget(file_);
  for (std::uint32_t i = 0; i < 2 * kTrapsBeforeRetry; ++i) {
    ASSERT_EQ(Pread(file_, &byte, 1, 0), 1);
  }
  EXPECT_EQ(session_.enters, 2);
  EXPECT_EQ(session_.counters().file_sessions, 2u);
}

TEST_F(ShimFile, TheKernelHearsOfALimitOfFileSizes) {
  NoteFileSizeLimit();
  EXPECT_EQ(session_.kicks, 0);
  session_.Earn();
  NoteFileSizeLimit();
  EXPECT_EQ(session_.kicks, 1);
  // One that is being asked for as well.
  StateOf(Domain::kStorage).current.store(nullptr);
  state->entering = true;
  NoteFileSizeLimit();
  EXPECT_EQ(session_.kicks, 2);
  state->entering = false;
  NoteFileSizeLimit();
  EXPECT_EQ(session_.kicks, 2);
}

TEST_F(ShimFile, TwoDomainsAtOnce) {
  SimulatedSession network(Domain::kNetwork);
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  network.Redirect(pair[0], VOS_KIND_STREAM);

  session_.Earn();
  EXPECT_EQ(network.enters, 0);
  ASSERT_EQ(Write(pair[0], "x", 1), 1);
  EXPECT_EQ(session_.traps, 1);
  network.Earn();
  EXPECT_EQ(network.enters, 1);
  EXPECT_EQ(session_.enters, 1);

  char byte = 0;
  ASSERT_EQ(Write(pair[0], "n", 1), 1);
  ASSERT_EQ(Pwrite(file_, "s", 1, 0), 1);
  ASSERT_EQ(Pread(file_, &byte, 1, 0), 1);
  EXPECT_EQ(byte, 's');
  EXPECT_EQ(session_.traps, 1);
  EXPECT_EQ(session_.counters().fast, 3u);
  EXPECT_EQ(session_.counters().file_fast, 2u);
  EXPECT_EQ(session_.counters().lanes, 2u);
  // What is neither's of the calls of the other.
  EXPECT_EQ(Pwrite(pair[0], "x", 1, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  EXPECT_EQ(Write(file_, "x", 1), 1);
  EXPECT_EQ(session_.traps, 3);

  // One dies, the other goes on.
  network.header().dead = VOS_DEAD_CLOSED;
  ASSERT_EQ(Write(pair[0], "x", 1), 1);
  EXPECT_EQ(session_.traps, 4);
  ASSERT_EQ(Pread(file_, &byte, 1, 0), 1);
  EXPECT_EQ(session_.traps, 4);
  network.header().dead = 0;
  session_.header().dead = VOS_DEAD_CLOSED;
  ASSERT_EQ(Write(pair[0], "x", 1), 1);
  EXPECT_EQ(session_.traps, 4);
  ASSERT_EQ(Pread(file_, &byte, 1, 0), 1);
  EXPECT_EQ(session_.traps, 5);
  close(pair[0]);
  close(pair[1]);
}

TEST_F(ShimFile, AHandlerUsesTheLaneOfTheOtherDomain) {
  SimulatedSession network(Domain::kNetwork);
  static int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  network.Redirect(pair[0], VOS_KIND_STREAM);
  network.Earn();
  session_.Earn();
  ASSERT_EQ(Write(pair[0], "x", 1), 1);
  ASSERT_EQ(Pwrite(file_, "abc", 3, 0), 3);
  session_.InterruptNextWait([](int) { EXPECT_EQ(Write(pair[0], "h", 1), 1); });
  EXPECT_EQ(Pwrite(file_, "o", 1, 2), 1);
  EXPECT_EQ(session_.traps, 0);
  EXPECT_EQ(session_.counters().trap_busy, 0u);
  close(pair[0]);
  close(pair[1]);
}

}  // namespace
}  // namespace vos::shim
