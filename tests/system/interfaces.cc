// SPDX-License-Identifier: Apache-2.0
// The interfaces and addresses a program sees are those of the stack its sockets use:
// getifaddrs, if_nametoindex, interface ioctls on any socket, getaddrinfo.
// tier: fast
// boot: shared
// variants: trap shim local
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include "testing.h"

using namespace vos::testing;

int main() {
  const unsigned loopback = if_nametoindex("lo");
  CHECK(loopback > 0);
  char name[IF_NAMESIZE];
  CHECK(if_indextoname(loopback, name) && strcmp(name, "lo") == 0);
  CHECK_EQ(if_nametoindex("nonsense0"), 0);

  ifaddrs* all = nullptr;
  CHECK_OK(getifaddrs(&all));
  bool v4 = false, v6 = false, other = false;
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    if (strcmp(one->ifa_name, "lo") != 0) {
      other = true;
      continue;
    }
    CHECK(one->ifa_flags & IFF_LOOPBACK);
    if (!one->ifa_addr) continue;
    if (one->ifa_addr->sa_family == AF_INET)
      v4 |=
          reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    if (one->ifa_addr->sa_family == AF_INET6)
      v6 |= IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr);
  }
  freeifaddrs(all);
  CHECK(v4 && v6);
  // The local stack has loopback alone.
  if (Variant() == "local") CHECK(!other);

  // By ioctl, on a socket of whatever family.
  for (int family : {AF_INET, AF_INET6, AF_UNIX}) {
    const Fd fd(CHECK_OK(socket(family, SOCK_DGRAM, 0)));
    ifreq request = {};
    strcpy(request.ifr_name, "lo");
    CHECK_OK(ioctl(fd, SIOCGIFINDEX, &request));
    CHECK_EQ(request.ifr_ifindex, loopback);
    CHECK_OK(ioctl(fd, SIOCGIFFLAGS, &request));
    CHECK((request.ifr_flags & (IFF_UP | IFF_LOOPBACK)) == (IFF_UP | IFF_LOOPBACK));
    CHECK_OK(ioctl(fd, SIOCGIFMTU, &request));
    CHECK(request.ifr_mtu > 1000);
    strcpy(request.ifr_name, "nonsense0");
    CHECK_FAILS(ioctl(fd, SIOCGIFINDEX, &request), ENODEV);
  }
  const Fd fd(CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)));
  ifreq requests[16] = {};
  ifconf list = {};
  list.ifc_len = sizeof(requests);
  list.ifc_req = requests;
  CHECK_OK(ioctl(fd, SIOCGIFCONF, &list));
  bool listed = false;
  for (int i = 0; i < list.ifc_len / static_cast<int>(sizeof(ifreq)); i++)
    listed |= strcmp(requests[i].ifr_name, "lo") == 0;
  CHECK(listed);
  ifreq address = {};
  strcpy(address.ifr_name, "lo");
  CHECK_OK(ioctl(fd, SIOCGIFADDR, &address));
  CHECK_EQ(reinterpret_cast<sockaddr_in*>(&address.ifr_addr)->sin_addr.s_addr,
           htonl(INADDR_LOOPBACK));

  // Numeric names and services need nobody.
  for (const char* text : {"127.0.0.1", "::1"}) {
    addrinfo hints = {}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST;
    CHECK_EQ(getaddrinfo(text, "80", &hints, &found), 0);
    CHECK(found && found->ai_family == (strchr(text, ':') ? AF_INET6 : AF_INET));
    freeaddrinfo(found);
  }
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  CHECK_EQ(getaddrinfo("localhost", "http", &hints, &found), 0);
  bool loopback_found = false;
  for (const addrinfo* one = found; one; one = one->ai_next)
    loopback_found |=
        one->ai_family == AF_INET
            ? reinterpret_cast<sockaddr_in*>(one->ai_addr)->sin_addr.s_addr ==
                  htonl(INADDR_LOOPBACK)
            : IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<sockaddr_in6*>(one->ai_addr)->sin6_addr);
  CHECK(loopback_found);
  freeaddrinfo(found);
  return 0;
}
