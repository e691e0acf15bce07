// SPDX-License-Identifier: Apache-2.0
// MSG_PEEK, MSG_TRUNC, MSG_WAITALL and MSG_DONTWAIT, alone and together.
// tier: fast
// boot: shared
// variants: trap shim local
#include "testing.h"

using namespace vos::testing;

static void CheckStream(int family) {
  Pair tcp = TcpPair(family);
  char buffer[64] = {};
  CHECK_FAILS(recv(tcp.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
  CHECK_FAILS(recv(tcp.server, buffer, 1, MSG_DONTWAIT | MSG_PEEK), EAGAIN);

  // Peeking leaves everything, twice.
  SendAll(tcp.client, "0123456789", 10);
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(recv(tcp.server, buffer, 4, MSG_PEEK), 4);
    CHECK(memcmp(buffer, "0123", 4) == 0);
  }
  // MSG_TRUNC drops bytes of a stream.
  CHECK_EQ(recv(tcp.server, nullptr, 3, MSG_TRUNC), 3);
  CHECK_EQ(recv(tcp.server, buffer, 2, 0), 2);
  CHECK(memcmp(buffer, "34", 2) == 0);
  // MSG_WAITALL without waiting takes what is there.
  CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), MSG_WAITALL | MSG_DONTWAIT), 5);

  // MSG_WAITALL, also peeking, over several arrivals.
  for (int peek : {+MSG_PEEK, 0}) {
    ssize_t got = 0;
    Thread waiting([&] { got = CHECK_OK(recv(tcp.server, buffer, 40, MSG_WAITALL | peek)); });
    if (peek) {
      WaitUntilAsleep(waiting.tid());
      SendAll(tcp.client, "abcdefghij", 10);
      WaitUntilAsleep(waiting.tid());
      SendAll(tcp.client, "abcdefghijabcdefghijabcdefghij", 30);
    }
    waiting.Join();
    CHECK_EQ(got, 40);
    for (int i = 0; i < 40; i++) CHECK_EQ(buffer[i], 'a' + i % 10);
  }
  CHECK_FAILS(recv(tcp.server, buffer, 1, MSG_DONTWAIT), EAGAIN);

  // The end of the stream ends MSG_WAITALL early.
  SendAll(tcp.client, "end", 3);
  CHECK_OK(shutdown(tcp.client, SHUT_WR));
  CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), MSG_WAITALL), 3);
  CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), MSG_WAITALL), 0);
  CHECK_EQ(recv(tcp.server, buffer, sizeof(buffer), MSG_PEEK), 0);
}

static void CheckDatagram(int family) {
  Pair udp = UdpPair(family);
  char buffer[64] = {};
  CHECK_FAILS(recv(udp.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
  CHECK_EQ(send(udp.client, "0123456789", 10, MSG_DONTWAIT), 10);
  CHECK_EQ(send(udp.client, "next", 4, 0), 4);
  CHECK_EQ(recv(udp.server, buffer, 4, MSG_PEEK), 4);
  // With MSG_TRUNC the datagram's own length is told.
  CHECK_EQ(recv(udp.server, buffer, 4, MSG_PEEK | MSG_TRUNC), 10);
  iovec piece{buffer, 4};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  CHECK_EQ(recvmsg(udp.server, &message, MSG_PEEK), 4);
  CHECK(message.msg_flags & MSG_TRUNC);
  CHECK_EQ(recvmsg(udp.server, &message, MSG_TRUNC), 10);
  CHECK(message.msg_flags & MSG_TRUNC);
  CHECK(memcmp(buffer, "0123", 4) == 0);
  // What was cut off is gone; MSG_WAITALL does not join datagrams.
  CHECK_EQ(recv(udp.server, buffer, sizeof(buffer), MSG_WAITALL), 4);
  CHECK(memcmp(buffer, "next", 4) == 0);
  CHECK_FAILS(recv(udp.server, buffer, 1, MSG_DONTWAIT), EAGAIN);
}

int main() {
  for (int family : kFamilies) {
    CheckStream(family);
    CheckDatagram(family);
  }
  return 0;
}
