// SPDX-License-Identifier: Apache-2.0
// The long list of options that go by value: each is set and read back, those that are refused say
// what Linux says, those that mean nothing to another kernel are refused.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/in6.h>
#include <netinet/udp.h>

#include "testing.h"

using namespace vos::testing;

namespace {

struct Entry {
  int level, name, value;
  int expected;  // what is read back
  const char* text;
};
#define KEEPS(level, name, value) {level, name, value, value, #name}
#define BECOMES(level, name, value, seen) {level, name, value, seen, #name}

// What older headers lack.
constexpr int kTcpTxDelay = 37, kIpLocalPortRange = 51, kSoTxRehash = 74, kSoBufLock = 72,
              kSoRcvMark = 75, kTcpIsMptcp = 43, kSoNetnsCookie = 71, kIpProtocol = 52;

const Entry kOfBoth[] = {
    KEEPS(SOL_SOCKET, SO_PEEK_OFF, 3),    KEEPS(SOL_SOCKET, SO_MAX_PACING_RATE, 1'000'000),
    KEEPS(SOL_SOCKET, kSoBufLock, 1),     KEEPS(SOL_SOCKET, SO_RXQ_OVFL, 1),
    KEEPS(SOL_SOCKET, kSoRcvMark, 1),     KEEPS(SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1),
    KEEPS(SOL_SOCKET, SO_NO_CHECK, 1),    KEEPS(SOL_SOCKET, SO_NOFCS, 1),
    KEEPS(SOL_SOCKET, SO_WIFI_STATUS, 1), KEEPS(SOL_SOCKET, SO_DEBUG, 1),
};
const Entry kOfTcp[] = {
    KEEPS(SOL_SOCKET, kSoTxRehash, 0),
    KEEPS(IPPROTO_TCP, TCP_LINGER2, 20),
    KEEPS(IPPROTO_TCP, TCP_WINDOW_CLAMP, 100'000),
    KEEPS(IPPROTO_TCP, TCP_QUICKACK, 0),
    KEEPS(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16'384),
    KEEPS(IPPROTO_TCP, TCP_INQ, 1),
    KEEPS(IPPROTO_TCP, kTcpTxDelay, 10),
    KEEPS(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1),
    BECOMES(IPPROTO_TCP, TCP_THIN_DUPACK, 1, 0),
    KEEPS(IPPROTO_TCP, TCP_SAVE_SYN, 1),
};
const Entry kOfUdp[] = {
    KEEPS(IPPROTO_UDP, UDP_CORK, 0),         KEEPS(IPPROTO_UDP, UDP_SEGMENT, 500),
    KEEPS(IPPROTO_UDP, UDP_GRO, 1),          KEEPS(IPPROTO_UDP, UDP_NO_CHECK6_TX, 1),
    KEEPS(IPPROTO_UDP, UDP_NO_CHECK6_RX, 1),
};
const Entry kOfV4[] = {
    KEEPS(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO),
    KEEPS(IPPROTO_IP, IP_FREEBIND, 1),
    KEEPS(IPPROTO_IP, IP_MINTTL, 3),
    KEEPS(IPPROTO_IP, IP_CHECKSUM, 1),
    KEEPS(IPPROTO_IP, IP_RECVOPTS, 1),
    KEEPS(IPPROTO_IP, IP_RETOPTS, 1),
    KEEPS(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
    KEEPS(IPPROTO_IP, IP_TRANSPARENT, 1),
    KEEPS(IPPROTO_IP, IP_RECVORIGDSTADDR, 1),
    KEEPS(IPPROTO_IP, IP_RECVFRAGSIZE, 1),
    KEEPS(IPPROTO_IP, IP_NODEFRAG, 1),
};
const Entry kOfV6[] = {
    KEEPS(IPPROTO_IPV6, IPV6_TCLASS, 0x20),
    KEEPS(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO),
    KEEPS(IPPROTO_IPV6, IPV6_DONTFRAG, 1),
    KEEPS(IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1),
    KEEPS(IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1),
    KEEPS(IPPROTO_IPV6, IPV6_RECVRTHDR, 1),
    KEEPS(IPPROTO_IPV6, IPV6_2292PKTINFO, 1),
    KEEPS(IPPROTO_IPV6, IPV6_FLOWINFO, 1),
    KEEPS(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1),
    KEEPS(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 0),
    KEEPS(IPPROTO_IPV6, IPV6_FREEBIND, 1),
    KEEPS(IPPROTO_IPV6, IPV6_TRANSPARENT, 1),
    KEEPS(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1),
    KEEPS(IPPROTO_IPV6, IPV6_MINHOPCOUNT, 3),
    KEEPS(IPPROTO_IPV6, IPV6_RECVPATHMTU, 1),
    KEEPS(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1),
};

template <size_t Count>
void CheckAll(int family, int type, const Entry (&entries)[Count]) {
  for (const Entry& entry : entries) {
    // A socket for each: options have a say in one another.
    const Fd fd(CHECK_OK(socket(family, type, 0)));
    if (entry.level == IPPROTO_IP && entry.name == IP_NODEFRAG) {
      // For raw sockets alone.
      CHECK_FAILS(setsockopt(fd, entry.level, entry.name, &entry.value, sizeof(int)), ENOPROTOOPT);
      continue;
    }
    if (entry.level == IPPROTO_IP && entry.name == IP_RECVFRAGSIZE && type == SOCK_STREAM) {
      CHECK_FAILS(setsockopt(fd, entry.level, entry.name, &entry.value, sizeof(int)), EINVAL);
      continue;
    }
    if (type == SOCK_STREAM && entry.level == SOL_SOCKET && entry.name == SO_PEEK_OFF &&
        setsockopt(fd, entry.level, entry.name, &entry.value, sizeof(int)) < 0) {
      CHECK_EQ(errno, EOPNOTSUPP);  // before Linux 6.9
      continue;
    }
    if (setsockopt(fd, entry.level, entry.name, &entry.value, sizeof(int)) < 0)
      FAIL("%s of type %d, family %d is refused", entry.text, type, family);
    int seen = -1;
    socklen_t size = sizeof(seen);
    if (getsockopt(fd, entry.level, entry.name, &seen, &size) < 0)
      FAIL("%s of type %d, family %d cannot be read", entry.text, type, family);
    if (seen != entry.expected)
      FAIL("%s of type %d, family %d is %d, not %d", entry.text, type, family, seen,
           entry.expected);
  }
}

void CheckRefused(int fd, int level, int name, const char* text) {
  char value[64] = {};
  if (setsockopt(fd, level, name, value, sizeof(value)) == 0) FAIL("%s is accepted", text);
  if (errno != ENOPROTOOPT && errno != EOPNOTSUPP) FAIL("%s is refused strangely", text);
}

}  // namespace

int main() {
  if (getuid() != 0) SKIP("needs root");
  for (int family : kFamilies) {
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
      CheckAll(family, type, kOfBoth);
      if (family == AF_INET)
        CheckAll(family, type, kOfV4);
      else
        CheckAll(family, type, kOfV6);
    }
    CheckAll(family, SOCK_STREAM, kOfTcp);
    CheckAll(family, SOCK_DGRAM, kOfUdp);

    const Fd tcp(CHECK_OK(socket(family, SOCK_STREAM, 0)));
    socklen_t size;
    // Bound to an interface, by name and by number. The primary's own kernel has no devices to
    // bind to.
    if (Variant() != "local") {
      char device[16] = "lo", seen[16] = {};
      CHECK_OK(setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, device, sizeof(device)));
      size = sizeof(seen);
      CHECK_OK(getsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, seen, &size));
      CHECK(strcmp(seen, "lo") == 0);
      CHECK_FAILS(setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "nonsense0", 10), ENODEV);
      SetOption(tcp, SOL_SOCKET, SO_BINDTOIFINDEX, 0);
      CHECK_EQ(Option(tcp, SOL_SOCKET, SO_BINDTOIFINDEX), 0);
    }
    // Read only.
    uint64_t cookie = 0;
    size = sizeof(cookie);
    CHECK_OK(getsockopt(tcp, SOL_SOCKET, SO_COOKIE, &cookie, &size));
    CHECK(cookie != 0);
    uint32_t memory[16];
    size = sizeof(memory);
    CHECK_OK(getsockopt(tcp, SOL_SOCKET, SO_MEMINFO, memory, &size));
    CHECK(size >= 8 * sizeof(uint32_t));
    Option(tcp, SOL_SOCKET, SO_INCOMING_CPU);
    Option(tcp, SOL_SOCKET, SO_INCOMING_NAPI_ID);
    CHECK_EQ(Option(tcp, SOL_SOCKET, SO_SNDLOWAT), 1);
    CHECK_EQ(Option(tcp, IPPROTO_TCP, kTcpIsMptcp), 0);
    uint64_t space = 0;
    size = sizeof(space);
    CHECK_OK(getsockopt(tcp, SOL_SOCKET, kSoNetnsCookie, &space, &size));
    struct {
      int pid, uid, gid;
    } peer = {};
    size = sizeof(peer);
    CHECK_OK(getsockopt(tcp, SOL_SOCKET, SO_PEERCRED, &peer, &size));

    Pair pair = TcpPair(family);
    Address name;
    name.size = PeerOf(pair.client).size;
    CHECK_OK(getsockopt(pair.client, SOL_SOCKET, 28 /* SO_PEERNAME */, name.get(), &name.size));
    CHECK_EQ(name.port(), PeerOf(pair.client).port());
    CHECK(Option(pair.client, IPPROTO_TCP, TCP_TIMESTAMP) != -1);
    char information[256];
    size = sizeof(information);
    CHECK_OK(getsockopt(pair.client, IPPROTO_TCP, TCP_CC_INFO, information, &size));
    if (family == AF_INET) {
      CHECK(Option(pair.client, IPPROTO_IP, IP_MTU) > 1000);
      Option(pair.client, IPPROTO_IP, kIpProtocol);
      const uint32_t range = 40'000u | 40'100u << 16;
      CHECK_OK(setsockopt(tcp, IPPROTO_IP, kIpLocalPortRange, &range, sizeof(range)));
      const Address any = Loopback(AF_INET);
      CHECK_OK(bind(tcp, any.get(), any.size));
      CHECK(NameOf(tcp).port() >= 40'000 && NameOf(tcp).port() <= 40'100);
      // Options of the header: no operation, and the end.
      const unsigned char options[4] = {1, 1, 1, 0};
      unsigned char back[40] = {};
      const Fd udp(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
      CHECK_OK(setsockopt(udp, IPPROTO_IP, IP_OPTIONS, options, sizeof(options)));
      size = sizeof(back);
      CHECK_OK(getsockopt(udp, IPPROTO_IP, IP_OPTIONS, back, &size));
      CHECK_EQ(size, sizeof(options));
    } else {
      CHECK(Option(pair.client, IPPROTO_IPV6, IPV6_MTU) > 1000);
      SetOption(tcp, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 2 /* IPV6_PREFER_SRC_PUBLIC */);
      CHECK_EQ(Option(tcp, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES) & 2, 2);
    }

    // A listener keeps the SYN that it was asked to.
    const Fd listener = Listening(family);
    SetOption(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1);
    SetOption(listener, IPPROTO_TCP, TCP_FASTOPEN, 5);
    CHECK_EQ(Option(listener, IPPROTO_TCP, TCP_FASTOPEN), 5);
    const Fd client = Connected(NameOf(listener));
    const Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
    char syn[128];
    size = sizeof(syn);
    CHECK_OK(getsockopt(server, IPPROTO_TCP, TCP_SAVED_SYN, syn, &size));
    CHECK(size >= 40);

    // UDP_SEGMENT cuts one call into datagrams.
    Pair udp = UdpPair(family);
    SetOption(udp.client, IPPROTO_UDP, UDP_SEGMENT, 500);
    const auto bytes = Pattern(1200, 1);
    CHECK_EQ(send(udp.client, bytes.data(), bytes.size(), 0), 1200);
    char piece[2000];
    for (int expected : {500, 500, 200})
      CHECK_EQ(recv(udp.server, piece, sizeof(piece), 0), expected);
    // UDP_CORK holds back until it is pulled.
    SetOption(udp.client, IPPROTO_UDP, UDP_SEGMENT, 0);
    SetOption(udp.client, IPPROTO_UDP, UDP_CORK, 1);
    CHECK_EQ(send(udp.client, "ab", 2, 0), 2);
    CHECK_EQ(send(udp.client, "cd", 2, 0), 2);
    CHECK_EQ(Poll(udp.server, POLLIN, 30), 0);
    SetOption(udp.client, IPPROTO_UDP, UDP_CORK, 0);
    CHECK_EQ(recv(udp.server, piece, sizeof(piece), 0), 4);

    if (InNetworkDomain()) {
      CheckRefused(tcp, SOL_SOCKET, SO_ATTACH_FILTER, "SO_ATTACH_FILTER");
      CheckRefused(tcp, SOL_SOCKET, SO_ATTACH_BPF, "SO_ATTACH_BPF");
      CheckRefused(tcp, SOL_SOCKET, SO_ZEROCOPY, "SO_ZEROCOPY");
      CheckRefused(tcp, IPPROTO_TCP, TCP_ULP, "TCP_ULP");
      CheckRefused(tcp, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT");
      CheckRefused(tcp, IPPROTO_IP, 64, "iptables");
    }
  }
  return 0;
}
