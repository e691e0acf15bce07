// SPDX-License-Identifier: Apache-2.0
// What the fuzzers share.
#ifndef VIRTUOS_TESTS_FUZZ_INPUT_H_
#define VIRTUOS_TESTS_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace vos::fuzz {

inline void Require(bool condition) {
  if (!condition) abort();
}

// Takes the input apart; zeros once it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  template <typename T>
  T Take() {
    T value = 0;
    const std::size_t count = std::min(size_, sizeof(T));
    std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

}  // namespace vos::fuzz

#endif  // VIRTUOS_TESTS_FUZZ_INPUT_H_
