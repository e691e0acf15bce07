// SPDX-License-Identifier: Apache-2.0
// Vector registers of the primary's processes are kept while domains are killed and made. Threads move memory by
// vector instructions, new and zeroed each round, and hold values in all of those registers, while the network domain
// dies every few seconds. With Xen's lazy switching of these registers, some rounds see others' values.
// tier: fast
// boot: shared
// time: 120
#include <emmintrin.h>
#include <sys/mman.h>

#include <memory>

#include "domain.h"

using namespace vos::testing;

namespace {

constexpr size_t kBytes = 4 * 1024 * 1024;
constexpr int kMovers = 2;
constexpr int64_t kDuration = 30'000;
constexpr int64_t kBetweenKills = 5'000;
// About a millisecond on an emulated processor.
constexpr int kHeldFor = 300'000;

std::atomic<bool> stop = false;
std::atomic<int> moved = 0, held = 0, bad = 0;

// 16 bytes at a time, whatever the C library would choose.
bool Same(const char* a, const char* b) {
  __m128i differ = _mm_setzero_si128();
  for (size_t i = 0; i < kBytes; i += sizeof(differ)) {
    const __m128i x = _mm_load_si128(reinterpret_cast<const __m128i*>(a + i));
    const __m128i y = _mm_load_si128(reinterpret_cast<const __m128i*>(b + i));
    differ = _mm_or_si128(differ, _mm_xor_si128(x, y));
  }
  return _mm_movemask_epi8(_mm_cmpeq_epi8(differ, _mm_setzero_si128())) == 0xffff;
}

// Tells where the difference begins.
void Report(const char* what, const char* memory, const char* expected) {
  bad++;
  size_t at = 0;
  while (at < kBytes && memory[at] == expected[at]) at++;
  printf("%s: different from byte %zu on\n", what, at);
}

class Pages {
 public:
  Pages() {
    address_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(address_ != MAP_FAILED);
  }
  ~Pages() { munmap(address_, kBytes); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  char* data() const { return static_cast<char*>(address_); }

 private:
  void* address_;
};

// The C library copies by the widest registers there are.
void Move(int seed) {
  const Pages zeros, pattern;
  const auto bytes = Pattern(kBytes, seed);
  memcpy(pattern.data(), bytes.data(), kBytes);
  while (!stop) {
    const Pages fresh, copy;
    if (!Same(fresh.data(), zeros.data())) Report("fresh memory", fresh.data(), zeros.data());
    memcpy(fresh.data(), pattern.data(), kBytes);
    if (!Same(fresh.data(), pattern.data())) Report("a copy", fresh.data(), pattern.data());
    memcpy(copy.data(), fresh.data(), kBytes);
    if (!Same(copy.data(), pattern.data())) Report("its copy", copy.data(), pattern.data());
    moved++;
  }
}

// Nothing but an interrupt comes between the two halves.
void Hold() {
  alignas(16) char before[16][16], after[16][16];
  for (int i = 0; i < 16; i++) memset(before[i], 'A' + i, 16);
  while (!stop) {
    asm volatile(
        "movdqa 0x00(%[in]), %%xmm0\n movdqa 0x10(%[in]), %%xmm1\n"
        "movdqa 0x20(%[in]), %%xmm2\n movdqa 0x30(%[in]), %%xmm3\n"
        "movdqa 0x40(%[in]), %%xmm4\n movdqa 0x50(%[in]), %%xmm5\n"
        "movdqa 0x60(%[in]), %%xmm6\n movdqa 0x70(%[in]), %%xmm7\n"
        "movdqa 0x80(%[in]), %%xmm8\n movdqa 0x90(%[in]), %%xmm9\n"
        "movdqa 0xa0(%[in]), %%xmm10\n movdqa 0xb0(%[in]), %%xmm11\n"
        "movdqa 0xc0(%[in]), %%xmm12\n movdqa 0xd0(%[in]), %%xmm13\n"
        "movdqa 0xe0(%[in]), %%xmm14\n movdqa 0xf0(%[in]), %%xmm15\n"
        "mov %[count], %%ecx\n"
        "1: dec %%ecx\n jnz 1b\n"
        "movdqa %%xmm0, 0x00(%[out])\n movdqa %%xmm1, 0x10(%[out])\n"
        "movdqa %%xmm2, 0x20(%[out])\n movdqa %%xmm3, 0x30(%[out])\n"
        "movdqa %%xmm4, 0x40(%[out])\n movdqa %%xmm5, 0x50(%[out])\n"
        "movdqa %%xmm6, 0x60(%[out])\n movdqa %%xmm7, 0x70(%[out])\n"
        "movdqa %%xmm8, 0x80(%[out])\n movdqa %%xmm9, 0x90(%[out])\n"
        "movdqa %%xmm10, 0xa0(%[out])\n movdqa %%xmm11, 0xb0(%[out])\n"
        "movdqa %%xmm12, 0xc0(%[out])\n movdqa %%xmm13, 0xd0(%[out])\n"
        "movdqa %%xmm14, 0xe0(%[out])\n movdqa %%xmm15, 0xf0(%[out])\n"
        :
        : [in] "r"(before), [out] "r"(after), [count] "i"(kHeldFor)
        : "rcx", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
          "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    held++;
    for (int i = 0; i < 16; i++) {
      if (memcmp(before[i], after[i], sizeof(before[i])) == 0) continue;
      bad++;
      printf("register %d lost its value\n", i);
    }
  }
}

}  // namespace

int main() {
  int kills = 0;
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < kMovers; i++)
      threads.push_back(std::make_unique<Thread>([i] { Move(i + 1); }));
    threads.push_back(std::make_unique<Thread>(Hold));
    for (const int64_t end = Milliseconds() + kDuration; Milliseconds() < end; kills++) {
      const int64_t next = Milliseconds() + kBetweenKills;
      const DomainState before = NetworkDomain();
      Kill();
      AwaitRecovery(before);
      if (Milliseconds() < next) Sleep(static_cast<int>(next - Milliseconds()));
    }
    stop = true;
  }
  printf("%d kills, %d rounds of memory, %d of registers, %d bad\n", kills, moved.load(),
         held.load(), bad.load());
  CHECK(kills >= 3);
  CHECK(moved >= 10 && held >= 10);
  CHECK_EQ(bad, 0);
  return 0;
}
