// SPDX-License-Identifier: Apache-2.0
// Requests by ioctl on sockets and, through them, about interfaces, addresses, routes and
// neighbours.
// tier: fast
// boot: shared
// variants: trap shim local
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sys/stat.h>

#include "testing.h"

using namespace vos::testing;

static ifreq About(const char* name) {
  ifreq request = {};
  strcpy(request.ifr_name, name);
  return request;
}

int main() {
  const Fd fd(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
  const Fd unix_socket(CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0)));

  // Of the socket itself.
  Pair tcp = TcpPair(AF_INET);
  int value = -1;
  CHECK_OK(ioctl(tcp.client, SIOCOUTQNSD, &value));
  CHECK_EQ(value, 0);
  value = getpid();
  CHECK_OK(ioctl(tcp.client, FIOSETOWN, &value));
  CHECK_EQ(fcntl(tcp.client, F_GETOWN), getpid());
  CHECK_OK(ioctl(tcp.client, SIOCSPGRP, &value));
  CHECK_OK(ioctl(tcp.client, SIOCGPGRP, &value));
  CHECK_EQ(value, getpid());
  value = 1;
  CHECK_OK(ioctl(tcp.client, FIOASYNC, &value));
  CHECK(fcntl(tcp.client, F_GETFL) & O_ASYNC);
  value = 0;
  CHECK_OK(ioctl(tcp.client, FIOASYNC, &value));
  if (getuid() == 0) {
    const Fd space(CHECK_OK(ioctl(tcp.client, SIOCGSKNS)));
    struct stat of_socket, own;
    CHECK_OK(fstat(space, &of_socket));
    CHECK_OK(stat("/proc/self/ns/net", &own));
    CHECK_EQ(of_socket.st_ino, own.st_ino);
  }

  // Of an interface, whatever the socket's family.
  for (int any : {int(fd), int(unix_socket)}) {
    ifreq request = About("lo");
    CHECK_OK(ioctl(any, SIOCGIFINDEX, &request));
    CHECK_OK(ioctl(any, SIOCGIFNAME, &request));
    CHECK(strcmp(request.ifr_name, "lo") == 0);
    CHECK_OK(ioctl(any, SIOCGIFHWADDR, &request));
    CHECK_EQ(request.ifr_hwaddr.sa_family, ARPHRD_LOOPBACK);
    CHECK_OK(ioctl(any, SIOCGIFMETRIC, &request));
    CHECK_OK(ioctl(any, SIOCGIFTXQLEN, &request));
    CHECK_OK(ioctl(any, SIOCGIFMAP, &request));
  }
  ifreq request = About("lo");
  CHECK_OK(ioctl(fd, SIOCGIFNETMASK, &request));
  CHECK_EQ(reinterpret_cast<sockaddr_in*>(&request.ifr_netmask)->sin_addr.s_addr,
           htonl(0xff000000));
  request = About("lo");
  CHECK_OK(ioctl(fd, SIOCGIFBRDADDR, &request));
  request = About("lo");
  CHECK_OK(ioctl(fd, SIOCGIFDSTADDR, &request));

  ethtool_value link = {ETHTOOL_GLINK, 0};
  request = About("lo");
  request.ifr_data = reinterpret_cast<char*>(&link);
  CHECK_OK(ioctl(fd, SIOCETHTOOL, &request));
  CHECK_EQ(link.data, 1);
  link.cmd = 0xdead;
  CHECK_FAILS(ioctl(fd, SIOCETHTOOL, &request), EOPNOTSUPP);

  arpreq neighbour = {};
  neighbour.arp_pa.sa_family = AF_INET;
  reinterpret_cast<sockaddr_in*>(&neighbour.arp_pa)->sin_addr.s_addr = htonl(0xc0000255);
  strcpy(neighbour.arp_dev, "lo");
  CHECK_EQ(ioctl(fd, SIOCGARP, &neighbour), -1);
  CHECK(errno == ENXIO || errno == ENODEV);

  if (getuid() != 0) return 0;
  // Changes, and back again.
  request = About("lo");
  CHECK_OK(ioctl(fd, SIOCGIFMTU, &request));
  const int mtu = request.ifr_mtu;
  request.ifr_mtu = mtu - 1000;
  CHECK_OK(ioctl(fd, SIOCSIFMTU, &request));
  request.ifr_mtu = 0;
  CHECK_OK(ioctl(fd, SIOCGIFMTU, &request));
  CHECK_EQ(request.ifr_mtu, mtu - 1000);
  request.ifr_mtu = mtu;
  CHECK_OK(ioctl(fd, SIOCSIFMTU, &request));

  // A second address under a label.
  request = About("lo:9");
  auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  address->sin_family = AF_INET;
  inet_pton(AF_INET, "127.5.5.5", &address->sin_addr);
  CHECK_OK(ioctl(fd, SIOCSIFADDR, &request));
  request = About("lo:9");
  CHECK_OK(ioctl(fd, SIOCGIFADDR, &request));
  char text[INET_ADDRSTRLEN];
  CHECK(strcmp(inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text)), "127.5.5.5") == 0);
  request.ifr_flags = 0;
  CHECK_OK(ioctl(fd, SIOCSIFFLAGS, &request));
  request = About("lo:9");
  CHECK_FAILS(ioctl(fd, SIOCGIFADDR, &request), EADDRNOTAVAIL);

  // A route.
  rtentry route = {};
  auto* destination = reinterpret_cast<sockaddr_in*>(&route.rt_dst);
  destination->sin_family = AF_INET;
  inet_pton(AF_INET, "198.51.100.0", &destination->sin_addr);
  auto* mask = reinterpret_cast<sockaddr_in*>(&route.rt_genmask);
  mask->sin_family = AF_INET;
  mask->sin_addr.s_addr = htonl(0xffffff00);
  route.rt_flags = RTF_UP;
  char device[] = "lo";
  route.rt_dev = device;
  CHECK_OK(ioctl(fd, SIOCADDRT, &route));
  CHECK_FAILS(ioctl(fd, SIOCADDRT, &route), EEXIST);
  CHECK_OK(ioctl(fd, SIOCDELRT, &route));
  CHECK_FAILS(ioctl(fd, SIOCDELRT, &route), ESRCH);

  Join(Fork([&] {
    CHECK_OK(setresuid(65534, 65534, 65534));
    CHECK_FAILS(ioctl(fd, SIOCADDRT, &route), EPERM);
    ifreq mine = About("lo");
    mine.ifr_mtu = mtu;
    CHECK_FAILS(ioctl(fd, SIOCSIFMTU, &mine), EPERM);
  }));
  return 0;
}
