// SPDX-License-Identifier: Apache-2.0
// links: tools/vos/trace_line.cc tools/common/text.cc
#include <gtest/gtest.h>

#include <cerrno>

#include "tools/vos/trace_line.h"

namespace vos {
namespace {

TEST(TraceLine, IsParsed) {
  const auto call = ParseTracedCall(
      "            curl-412     [000] .....    12.345678: virtuos_call: tgid=410 domain=network "
      "op=send object=3000c001a bytes=1024 result=-11 ns=23100");
  ASSERT_TRUE(call);
  EXPECT_DOUBLE_EQ(call->seconds, 12.345678);
  EXPECT_EQ(call->thread, 412);
  EXPECT_EQ(call->domain, "network");
  EXPECT_EQ(call->operation, "send");
  EXPECT_EQ(call->object, 0x3000c001au);
  EXPECT_EQ(call->bytes, 1024u);
  EXPECT_EQ(call->result, -EAGAIN);
  EXPECT_EQ(call->ns, 23100u);
}

TEST(TraceLine, NamesOfProcessesMayBeAnything) {
  const auto call = ParseTracedCall(
      " a [0] b: virtuos_call: -7 [001] d..1. 1.000001: virtuos_call: tgid=7 domain=storage "
      "op=0x9 object=0 bytes=0 result=0 ns=1");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->thread, 7);
  EXPECT_EQ(call->domain, "storage");
  EXPECT_EQ(call->operation, "0x9");
}

TEST(TraceLine, OthersAreNone) {
  EXPECT_FALSE(ParseTracedCall(""));
  EXPECT_FALSE(ParseTracedCall("# tracer: nop"));
  EXPECT_FALSE(ParseTracedCall("curl-412 [000] ..... 12.3: sched_switch: op=send"));
  EXPECT_FALSE(ParseTracedCall(": virtuos_call: "));
  EXPECT_FALSE(ParseTracedCall("x-1 [0] .. 1.0: virtuos_call: object=zz bytes=1 result=1 ns=1"));
  EXPECT_FALSE(ParseTracedCall("x-1 [0] .. 1.0: virtuos_call: object=1 bytes=-1 result=1 ns=1"));
  EXPECT_FALSE(ParseTracedCall("x-1 [0] .. 1.0: virtuos_call: object=1 bytes=1 result=1"));
}

TEST(TraceLine, LostOnesAreCounted) {
  EXPECT_EQ(ParseLostEvents("CPU:1 [LOST 123 EVENTS]"), 123u);
  EXPECT_FALSE(ParseLostEvents("CPU:1 [LOST some EVENTS]"));
  EXPECT_FALSE(ParseLostEvents("a-1 [0] . 1.0: print: [LOST 123 EVENTS]"));
}

TEST(TraceLine, IsAlignedWithTheHeading) {
  const TracedCall call{12.5, 412, "network", "send", 0x3000c001a, 1024, -ECONNRESET, 23100};
  EXPECT_EQ(TraceHeading(),
            "     seconds   thread  domain   operation            object "
            "    bytes  result                 us\n");
  EXPECT_EQ(TraceLine(call),
            "   12.500000      412  network  send              3000c001a "
            "     1024  -ECONNRESET          23.1\n");
}

TEST(TraceLine, UnknownErrorsAreNumbers) {
  const TracedCall call{0, 1, "storage", "fuse", 0, 0, -4000, 0};
  EXPECT_NE(TraceLine(call).find(" -4000 "), std::string::npos);
}

}  // namespace
}  // namespace vos
