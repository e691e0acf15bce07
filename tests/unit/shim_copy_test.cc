// SPDX-License-Identifier: Apache-2.0
// links: libsyscall-shim/[!i]*.cc libsyscall-shim/copy.S -fno-sanitize=null
//
// Copies from and to the program: every length around what is done differently, at any alignment,
// by string instructions and without, and up to a page that is not there.
#include "libsyscall-shim/copy.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "tests/unit/simulated_session.h"

namespace vos::shim {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kNever = static_cast<std::size_t>(-1);

// Two pages, of which only the first is there.
class Edge {
 public:
  Edge() {
    void* const mapped =
        mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(mapped, MAP_FAILED);
    start_ = static_cast<std::byte*>(mapped);
    mprotect(start_ + kPage, kPage, PROT_NONE);
  }
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;
  ~Edge() { munmap(start_, 2 * kPage); }
  std::byte* end() const { return start_ + kPage; }

 private:
  std::byte* start_;
};

// The parameter: from so many bytes on by string instructions.
class ShimCopy : public testing::TestWithParam<std::size_t> {
 protected:
  void SetUp() override { vos_copy_string_bytes = GetParam(); }
  void TearDown() override { vos_copy_string_bytes = kNever; }
};

TEST_P(ShimCopy, CopiesEveryLength) {
  constexpr std::size_t kLengths = 700, kRoom = 32;
  std::vector<std::uint8_t> from(kLengths + kRoom), to(kLengths + kRoom), expected;
  std::iota(from.begin(), from.end(), std::uint8_t{1});
  for (std::size_t bytes = 0; bytes < kLengths; ++bytes) {
    const std::size_t source = bytes % 13, target = bytes % 7;
    std::fill(to.begin(), to.end(), std::uint8_t{0});
    expected = to;
    memcpy(&expected[target], &from[source], bytes);
    ASSERT_EQ(vos_guarded_copy(&to[target], &from[source], bytes), 0);
    ASSERT_EQ(to, expected) << bytes;
  }
}

TEST_P(ShimCopy, StopsWhereThereIsNoMemory) {
  const SimulatedSession session;  // has a handler of SIGSEGV
  const Edge edge;
  std::vector<std::byte> memory(kPage);
  for (std::size_t bytes : {1, 3, 4, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 600, 2000}) {
    for (std::size_t beyond : {std::size_t{1}, (bytes + 1) / 2, bytes}) {
      std::byte* const at = edge.end() - (bytes - beyond);
      ASSERT_EQ(vos_guarded_copy(memory.data(), at, bytes), -EFAULT) << bytes << ' ' << beyond;
      ASSERT_EQ(vos_guarded_copy(at, memory.data(), bytes), -EFAULT) << bytes << ' ' << beyond;
    }
    ASSERT_EQ(vos_guarded_copy(memory.data(), edge.end() - bytes, bytes), 0);
    ASSERT_EQ(vos_guarded_copy(edge.end() - bytes, memory.data(), bytes), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, ShimCopy, testing::Values(kNever, 65, 512));

TEST(ShimCopyChoice, KeepsShortCopiesFromStrings) {
  ChooseCopy();
  EXPECT_GE(vos_copy_string_bytes, 256u);
}

}  // namespace
}  // namespace vos::shim
