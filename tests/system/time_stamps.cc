// SPDX-License-Identifier: Apache-2.0
// Time stamps of received datagrams: SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING in software, and
// SIOCGSTAMP. They grow, and are near the clock.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "testing.h"

using namespace vos::testing;

// The domain's clock is not the primary's; they differ by less than this.
constexpr long kClocksDifferSeconds = 60;

// Sends a byte; true if its stamp came with it.
static bool Stamp(int from, int to, int wanted, timespec* stamp) {
  CHECK_EQ(send(from, "t", 1, 0), 1);
  char byte;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[256];
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  CHECK_EQ(recvmsg(to, &message, 0), 1);
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != wanted) continue;
    memcpy(stamp, CMSG_DATA(one), sizeof(*stamp));
    return stamp->tv_sec != 0;
  }
  return false;
}

// The kernel turns stamping on a little after it is asked to.
static timespec AwaitStamp(int from, int to, int wanted) {
  timespec stamp;
  for (int tries = 0; tries < 100; tries++) {
    if (Stamp(from, to, wanted, &stamp)) return stamp;
    Sleep(10);
  }
  FAIL("no time stamp of type %d", wanted);
}

static void CheckNear(timespec stamp) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  CHECK(labs(now.tv_sec - stamp.tv_sec) < kClocksDifferSeconds);
}

int main() {
  for (int family : kFamilies) {
    for (int name : {SO_TIMESTAMP, SO_TIMESTAMPNS}) {
      Pair udp = UdpPair(family);
      SetOption(udp.server, SOL_SOCKET, name, 1);
      CHECK_EQ(Option(udp.server, SOL_SOCKET, name), 1);
      const timespec first = AwaitStamp(udp.client, udp.server, name);
      CheckNear(first);
      const timespec second = AwaitStamp(udp.client, udp.server, name);
      CHECK(second.tv_sec > first.tv_sec ||
            (second.tv_sec == first.tv_sec && second.tv_nsec >= first.tv_nsec));
    }
    Pair udp = UdpPair(family);
    SetOption(udp.server, SOL_SOCKET, SO_TIMESTAMPING,
              SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
    CheckNear(AwaitStamp(udp.client, udp.server, SO_TIMESTAMPING));

    Pair plain = UdpPair(family);
    timeval stamp = {};
    CHECK_FAILS(ioctl(plain.server, SIOCGSTAMP, &stamp), ENOENT);
    // The first question turns stamping on.
    char byte;
    CHECK_EQ(send(plain.client, "t", 1, 0), 1);
    CHECK_EQ(recv(plain.server, &byte, 1, 0), 1);
    CHECK_OK(ioctl(plain.server, SIOCGSTAMP, &stamp));
    CheckNear({stamp.tv_sec, 0});
  }
  return 0;
}
