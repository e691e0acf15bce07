// SPDX-License-Identifier: Apache-2.0
// The rarer flags: MSG_DONTROUTE, MSG_CONFIRM, MSG_EOR, MSG_PROBE, and MSG_WAITFORONE with time
// limits of recvmmsg.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

#ifndef MSG_PROBE
#define MSG_PROBE 0x10
#endif

int main() {
  for (int family : kFamilies) {
    Pair udp = UdpPair(family), tcp = TcpPair(family);
    char buffer[16];
    for (int flag : {int(MSG_DONTROUTE), int(MSG_CONFIRM), int(MSG_EOR)}) {
      CHECK_EQ(send(udp.client, "x", 1, flag), 1);
      CHECK_EQ(recv(udp.server, buffer, sizeof(buffer), 0), 1);
      CHECK_EQ(send(tcp.client, "y", 1, flag), 1);
      CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), 0), 1);
    }
    // An empty MSG_PROBE confirms the way and sends nothing.
    CHECK_EQ(send(udp.client, "", 0, MSG_PROBE | MSG_CONFIRM), 0);
    CHECK_FAILS(recv(udp.server, buffer, 1, MSG_DONTWAIT), EAGAIN);

    // MSG_WAITFORONE waits for the first, then takes what is there.
    mmsghdr messages[4] = {};
    iovec pieces[4];
    char taken[4][8];
    for (int i = 0; i < 4; i++) {
      pieces[i] = {taken[i], sizeof(taken[i])};
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    int got = 0;
    Thread waiting(
        [&] { got = CHECK_OK(recvmmsg(udp.server, messages, 4, MSG_WAITFORONE, nullptr)); });
    WaitUntilAsleep(waiting.tid());
    CHECK_EQ(send(udp.client, "one", 3, 0), 3);
    waiting.Join();
    CHECK_EQ(got, 1);
    CHECK_EQ(messages[0].msg_len, 3);

    // A time limit counts between datagrams.
    timespec limit = {0, 100'000'000};
    CHECK_EQ(send(udp.client, "two", 3, 0), 3);
    SetOption(udp.server, SOL_SOCKET, SO_RCVLOWAT, 1);
    const timeval receive_limit = {0, 200'000};
    CHECK_OK(
        setsockopt(udp.server, SOL_SOCKET, SO_RCVTIMEO, &receive_limit, sizeof(receive_limit)));
    CHECK_EQ(recvmmsg(udp.server, messages, 4, 0, &limit), 1);
    CHECK_FAILS(recvmmsg(udp.server, messages, 4, 0, &limit), EAGAIN);
  }
  return 0;
}
