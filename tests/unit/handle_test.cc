// SPDX-License-Identifier: Apache-2.0
// No handle is given twice, and an index that is used up is no loss but its own.
#include <set>

#include <gtest/gtest.h>

#include "kernel/virtuos/common/handle.h"

namespace {

TEST(Handle, EachIndexCountsForItself) {
  __u32 generation[2] = {};
  std::set<__u64> given;
  for (int round = 0; round < 100; round++) {
    for (__u32 index : {0u, 1u}) {
      const __u64 handle = vos_handle_next(VOS_DOMAIN_NETWORK, index, &generation[index]);
      EXPECT_EQ(vos_handle_domain(handle), VOS_DOMAIN_NETWORK);
      EXPECT_EQ(vos_handle_index(handle), index);
      EXPECT_EQ(vos_handle_generation(handle), static_cast<__u32>(round + 1));
      EXPECT_TRUE(given.insert(handle).second);
    }
  }
}

TEST(Handle, UsedUpIndexStaysEmpty) {
  __u32 worn = VOS_GENERATION_MAX - 1, fresh = 0;
  const __u64 last = vos_handle_next(VOS_DOMAIN_STORAGE, 7, &worn);
  EXPECT_EQ(vos_handle_generation(last), VOS_GENERATION_MAX);
  for (int again = 0; again < 3; again++) {
    EXPECT_EQ(vos_handle_next(VOS_DOMAIN_STORAGE, 7, &worn), VOS_HANDLE_NONE);
    EXPECT_NE(vos_handle_next(VOS_DOMAIN_STORAGE, 8, &fresh), VOS_HANDLE_NONE);
  }
}

}  // namespace
