// SPDX-License-Identifier: Apache-2.0
#include "kernel/virtuos/common/lane.h"

#include <cstring>
#include <random>

#include <gtest/gtest.h>

namespace {

// One lane with both sides' private state, driven step by step.
struct Lane {
  vos_user_lane_c c = {};
  vos_user_lane_s s = {};
  vos_lane_position client, poller;
  __u32 park_epoch = 0, arm_seen = 0;
  static constexpr __u32 kDepth = VOS_USER_LANE_DEPTH;

  Lane() {
    vos_lane_position_reset(&client);
    vos_lane_position_reset(&poller);
  }

  // Publishes one request; says where.
  vos_lane_position Submit(const vos_request& request) {
    const vos_lane_position at = client;
    vos_lane_publish(&c.request[at.entry], &request, at.turn);
    vos_lane_advance(&client, kDepth);
    return at;
  }
  bool Fetch(vos_request* copy) { return vos_lane_fetch(&c.request[poller.entry], &poller, copy); }
  void Complete(const vos_completion& completion) {
    vos_lane_complete(&s.completion[poller.entry], &completion, poller.turn);
    vos_lane_advance(&poller, kDepth);
  }
  bool Completed(const vos_lane_position& at) {
    return vos_lane_completed(&s.completion[at.entry], at.turn);
  }
};

vos_request Request(__u64 handle) {
  vos_request request = {};
  request.handle = handle;
  request.len = static_cast<__u32>(handle) + 1;
  request.fd = 7;
  request.op = VOS_OP_SEND;
  request.flags = VOS_REQ_INLINE;
  request.msg_flags = 0x4040;
  for (unsigned i = 0; i < VOS_SEND_INLINE; i++) request.arg.imm[i] = static_cast<__u8>(handle + i);
  return request;
}

TEST(LanePosition, WrapsToTurnOne) {
  vos_lane_position position;
  vos_lane_position_reset(&position);
  EXPECT_EQ(position.entry, 0u);
  EXPECT_EQ(position.turn, 1u);
  for (int i = 0; i < 7; i++) vos_lane_advance(&position, 7);
  EXPECT_EQ(position.entry, 0u);
  EXPECT_EQ(position.turn, 2u);
  position = {6, 0xffffffff};
  vos_lane_advance(&position, 7);
  EXPECT_EQ(position.entry, 0u);
  EXPECT_EQ(position.turn, 1u) << "0 is what an unwritten entry holds";
}

TEST(Lane, CarriesEveryByte) {
  Lane lane;
  const vos_request request = Request(0x1234'5678'9abc'def0);
  const auto at = lane.Submit(request);
  vos_request copy;
  ASSERT_TRUE(lane.Fetch(&copy));
  EXPECT_EQ(copy.turn, 1u);
  copy.turn = request.turn;
  EXPECT_EQ(std::memcmp(&copy, &request, sizeof(copy)), 0);

  vos_completion completion = {};
  completion.res = -11;
  completion.pos = 0xfedc'ba98'7654'3210;
  completion.aux = 5;
  completion.pollmask = 0x2001;
  completion.flags = VOS_CPL_INLINE;
  completion.service_cycles = 8;
  completion.queue_cycles = 9;
  completion.send_credit = 10;
  for (unsigned i = 0; i < VOS_RECV_INLINE; i++) completion.imm[i] = static_cast<__u8>(200 + i);
  EXPECT_FALSE(lane.Completed(at));
  lane.Complete(completion);
  ASSERT_TRUE(lane.Completed(at));
  vos_completion back;
  vos_lane_copy_completion(&back, &lane.s.completion[at.entry]);
  back.turn = completion.turn;
  EXPECT_EQ(std::memcmp(&back, &completion, sizeof(back)), 0);
}

TEST(Lane, NothingIsFetchedTwice) {
  Lane lane;
  vos_request copy;
  EXPECT_FALSE(lane.Fetch(&copy));
  for (__u64 i = 0; i < 1000; i++) {
    const auto at = lane.Submit(Request(i));
    ASSERT_TRUE(lane.Fetch(&copy));
    EXPECT_EQ(copy.handle, i);
    lane.Complete({});
    EXPECT_TRUE(lane.Completed(at));
    EXPECT_FALSE(lane.Fetch(&copy)) << "the entry's old turn was taken for a new request";
  }
}

TEST(Lane, FullDepthInOrder) {
  Lane lane;
  vos_request copy;
  for (__u64 round = 0; round < 50; round++) {
    vos_lane_position at[Lane::kDepth];
    for (__u32 i = 0; i < Lane::kDepth; i++) at[i] = lane.Submit(Request(round * 100 + i));
    for (__u32 i = 0; i < Lane::kDepth; i++) {
      ASSERT_TRUE(lane.Fetch(&copy));
      EXPECT_EQ(copy.handle, round * 100 + i);
      vos_completion completion = {};
      completion.res = static_cast<__s64>(copy.handle);
      lane.Complete(completion);
    }
    EXPECT_FALSE(lane.Fetch(&copy));
    for (__u32 i = 0; i < Lane::kDepth; i++) {
      ASSERT_TRUE(lane.Completed(at[i]));
      EXPECT_EQ(lane.s.completion[at[i].entry].res, static_cast<__s64>(round * 100 + i));
    }
  }
}

TEST(Lane, SurvivesTheTurnsWrap) {
  Lane lane;
  lane.client = lane.poller = {3, 0xfffffffe};
  // What the entries held before: the turn of the last pass, behind the position that of the pass
  // before.
  for (__u32 i = 0; i < Lane::kDepth; i++)
    lane.c.request[i].turn = lane.s.completion[i].turn = i < 3 ? 0xfffffffe : 0xfffffffd;
  vos_request copy;
  for (__u64 i = 0; i < 30; i++) {
    EXPECT_FALSE(lane.Fetch(&copy)) << i;
    const auto at = lane.Submit(Request(i));
    EXPECT_NE(at.turn, 0u);
    EXPECT_FALSE(lane.Completed(at)) << i;
    ASSERT_TRUE(lane.Fetch(&copy)) << i;
    EXPECT_EQ(copy.handle, i);
    lane.Complete({});
    EXPECT_TRUE(lane.Completed(at));
  }
}

TEST(Lane, OneWakeForEachArm) {
  Lane lane;
  EXPECT_FALSE(vos_lane_wants_wake(&lane.c.control, &lane.arm_seen));
  for (__u32 value = 1; value < 10; value++) {
    vos_lane_arm(&lane.c.control, value);
    EXPECT_TRUE(vos_lane_wants_wake(&lane.c.control, &lane.arm_seen));
    EXPECT_FALSE(vos_lane_wants_wake(&lane.c.control, &lane.arm_seen));
  }
}

TEST(Lane, ParksOnlyWhenEmpty) {
  Lane lane;
  const auto next = [&] { return &lane.c.request[lane.poller.entry]; };
  EXPECT_FALSE(vos_lane_needs_doorbell(&lane.s.status));
  EXPECT_TRUE(vos_lane_park(&lane.s.status, &lane.park_epoch, next(), &lane.poller));
  EXPECT_TRUE(vos_lane_needs_doorbell(&lane.s.status));
  vos_lane_unpark(&lane.s.status, &lane.park_epoch);
  EXPECT_FALSE(vos_lane_needs_doorbell(&lane.s.status));
  vos_lane_unpark(&lane.s.status, &lane.park_epoch);
  EXPECT_EQ(lane.park_epoch, 2u) << "a lane that is awake is not awakened";

  lane.Submit(Request(1));
  EXPECT_FALSE(vos_lane_park(&lane.s.status, &lane.park_epoch, next(), &lane.poller));
  EXPECT_FALSE(vos_lane_needs_doorbell(&lane.s.status));
}

TEST(Lane, ALineHalfWrittenIsNotThere) {
  // publish() with turn alone missing: what a client that dies in the middle leaves.
  Lane lane;
  vos_request request = Request(5);
  std::memcpy(&lane.c.request[0], &request, offsetof(vos_request, turn));
  vos_request copy;
  EXPECT_FALSE(lane.Fetch(&copy));
}

// A client that writes anything anywhere in its pages, at every step: the poller's view stays in
// bounds, what it copied has the turn it waits for, and its position moves by what it itself
// completed.
TEST(HostileClient, CannotMoveThePoller) {
  std::mt19937_64 random(20260801);
  Lane lane;
  for (int step = 0; step < 200'000; step++) {
    auto* words = reinterpret_cast<std::uint32_t*>(&lane.c);
    words[random() % (sizeof(lane.c) / 4)] = static_cast<std::uint32_t>(random());
    if (random() % 4 == 0)
      lane.c.request[random() % Lane::kDepth].turn =
          lane.poller.turn + static_cast<__u32>(random() % 3) - 1;
    const vos_lane_position before = lane.poller;
    vos_request copy;
    std::memset(&copy, 0xaa, sizeof(copy));
    if (lane.Fetch(&copy)) {
      EXPECT_EQ(copy.turn, before.turn);
      lane.Complete({});
    } else {
      EXPECT_EQ(copy.turn, 0xaaaaaaaau);
      EXPECT_EQ(lane.poller.entry, before.entry);
    }
    ASSERT_LT(lane.poller.entry, Lane::kDepth);
    ASSERT_NE(lane.poller.turn, 0u);
    // Arming as it likes earns at most one wake a look.
    if (vos_lane_wants_wake(&lane.c.control, &lane.arm_seen)) {
      ASSERT_FALSE(vos_lane_wants_wake(&lane.c.control, &lane.arm_seen));
    }
  }
}

// A service that writes anything into its pages: the client takes nothing for complete but the turn
// it waits for, and uses only its own copy.
TEST(HostileService, CannotMoveTheClient) {
  std::mt19937_64 random(20260802);
  Lane lane;
  vos_lane_position waiting = lane.Submit(Request(1));
  for (int step = 0; step < 200'000; step++) {
    auto* words = reinterpret_cast<std::uint32_t*>(&lane.s);
    words[random() % (sizeof(lane.s) / 4)] = static_cast<std::uint32_t>(random());
    if (random() % 8 == 0) lane.s.completion[waiting.entry].turn = waiting.turn;
    if (lane.Completed(waiting)) {
      vos_completion copy;
      vos_lane_copy_completion(&copy, &lane.s.completion[waiting.entry]);
      const vos_completion first = copy;
      std::memset(&lane.s, static_cast<int>(random()), sizeof(lane.s));
      EXPECT_EQ(std::memcmp(&first, &copy, sizeof(copy)), 0);
      waiting = lane.Submit(Request(step));
    }
    ASSERT_LT(lane.client.entry, Lane::kDepth);
  }
}

}  // namespace
