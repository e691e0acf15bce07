// SPDX-License-Identifier: Apache-2.0
// Both sides of a lane while somebody writes arbitrary words into its pages between any two steps.
// Whatever the pages hold, positions move only by what each side did itself, a copy carries the
// turn that was waited for, and no arm earns two wakes.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernel/virtuos/common/lane.h"
#include "tests/fuzz/input.h"

namespace {

using vos::fuzz::Input;
using vos::fuzz::Require;

constexpr __u32 kDepth = VOS_USER_LANE_DEPTH;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  vos_user_lane_c c = {};
  vos_user_lane_s s = {};
  // Turns near their wrap are as likely as any.
  const __u32 first_turn = input.Take<__u32>();
  vos_lane_position client = {0, first_turn ? first_turn : 1}, poller = client, waiting = client;
  __u32 epoch = 0, arm_seen = 0, outstanding = 0;

  while (!input.empty()) {
    switch (input.Take<std::uint8_t>() % 9) {
      case 0: {  // hostile client
        const unsigned at = input.Take<std::uint16_t>() % (sizeof(c) / 4);
        vos_store(&reinterpret_cast<vos_half*>(&c)[at], input.Take<__u32>());
        break;
      }
      case 1: {  // hostile service
        const unsigned at = input.Take<std::uint16_t>() % (sizeof(s) / 4);
        vos_store(&reinterpret_cast<vos_half*>(&s)[at], input.Take<__u32>());
        break;
      }
      case 2:  // the very turn that is awaited, for nothing
        vos_store(&c.request[poller.entry].turn, poller.turn);
        break;
      case 3:
        vos_store(&s.completion[waiting.entry].turn, waiting.turn);
        break;
      case 4: {  // the client submits
        if (outstanding == kDepth) break;
        vos_request request = {};
        request.handle = input.Take<__u64>();
        const vos_lane_position at = client;
        vos_lane_publish(&c.request[at.entry], &request, at.turn);
        vos_lane_advance(&client, kDepth);
        Require(client.entry < kDepth && client.turn != 0);
        Require(c.request[at.entry].handle == request.handle);
        outstanding++;
        vos_lane_needs_doorbell(&s.status);
        break;
      }
      case 5: {  // the poller takes and completes
        vos_request request;
        std::memset(&request, 0x55, sizeof(request));
        const vos_lane_position before = poller;
        if (!vos_lane_fetch(&c.request[poller.entry], &poller, &request)) {
          Require(request.turn == 0x55555555);
          break;
        }
        Require(request.turn == before.turn);
        vos_completion completion = {};
        completion.res = static_cast<__s64>(request.handle);
        vos_lane_complete(&s.completion[poller.entry], &completion, poller.turn);
        Require(vos_lane_completed(&s.completion[poller.entry], before.turn));
        vos_lane_advance(&poller, kDepth);
        Require(poller.entry < kDepth && poller.turn != 0);
        break;
      }
      case 6: {  // the client reaps
        if (outstanding == 0) break;
        if (!vos_lane_completed(&s.completion[waiting.entry], waiting.turn)) break;
        vos_completion copy;
        vos_lane_copy_completion(&copy, &s.completion[waiting.entry]);
        Require(copy.turn == waiting.turn);
        vos_lane_advance(&waiting, kDepth);
        outstanding--;
        break;
      }
      case 7: {  // parking
        const bool there = c.request[poller.entry].turn == poller.turn;
        const bool parked = vos_lane_park(&s.status, &epoch, &c.request[poller.entry], &poller);
        Require(parked == !there && (epoch & 1) == (parked ? 1u : 0u));
        Require(s.status.park_epoch == epoch);
        vos_lane_unpark(&s.status, &epoch);
        Require((epoch & 1) == 0);
        break;
      }
      case 8:  // arming
        if (vos_lane_wants_wake(&c.control, &arm_seen))
          Require(!vos_lane_wants_wake(&c.control, &arm_seen));
        vos_lane_arm(&c.control, input.Take<__u32>());
        break;
    }
  }
  return 0;
}
