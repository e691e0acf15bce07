// SPDX-License-Identifier: Apache-2.0
// links: service-domains/storage/message.cc
// Any bytes as a FUSE message: nothing behind them is read, and what is fit to be served is whole.
#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "service-domains/storage/message.h"

using vos::storage::Inspect;
using vos::storage::Inspection;
using vos::storage::Verdict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly that size, so that a read behind it is seen.
  const std::vector<char> message(data, data + size);
  const Inspection inspection = Inspect(message);
  if (inspection.verdict == Verdict::kServe &&
      (inspection.header.len != size || inspection.error != 0)) {
    __builtin_trap();
  }
  if (inspection.verdict == Verdict::kRefuse && inspection.error <= 0) __builtin_trap();
  return 0;
}
