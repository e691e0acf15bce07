// SPDX-License-Identifier: Apache-2.0
// /proc shows sockets as sockets; limits of descriptors are those of the process; fstat tells
// them apart.
// tier: fast
// boot: shared
// variants: trap shim local
#include <dirent.h>
#include <sys/stat.h>

#include "testing.h"

using namespace vos::testing;

static std::string LinkOf(int fd) {
  char target[128] = {};
  CHECK_OK(readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), target, sizeof(target) - 1));
  return target;
}

static int CountDescriptors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

int main() {
  const int inherited = CountDescriptors();
  for (int family : kFamilies) {
    Pair tcp = TcpPair(family);
    struct stat status, other;
    CHECK_OK(fstat(tcp.client, &status));
    CHECK_OK(fstat(tcp.server, &other));
    CHECK(S_ISSOCK(status.st_mode));
    CHECK(status.st_ino != other.st_ino);
    CHECK(LinkOf(tcp.client) == "socket:[" + std::to_string(status.st_ino) + "]");
    const Fd copy(CHECK_OK(dup(tcp.client)));
    CHECK(LinkOf(copy) == LinkOf(tcp.client));
    CHECK_FAILS(open(("/proc/self/fd/" + std::to_string(tcp.client)).c_str(), O_RDWR), ENXIO);
    CHECK_OK(fchmod(tcp.client, 0600));
    CHECK_FAILS(ftruncate(tcp.client, 0), EINVAL);
    CHECK_FAILS(fsync(tcp.client), EINVAL);

    // The process has no descriptors but those it asked for.
    CHECK_EQ(CountDescriptors(), inherited + 3);

    // EMFILE, and everything works again once there is room.
    const Fd listener = Listening(family);
    const Fd client = Connected(NameOf(listener));
    rlimit limit, tight;
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
    tight = {static_cast<rlim_t>(int(client)) + 1, limit.rlim_max};
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &tight));
    CHECK_FAILS(socket(family, SOCK_STREAM, 0), EMFILE);
    CHECK_FAILS(accept(listener, nullptr, nullptr), EMFILE);
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
    // The connection was not lost to the failed accept. Linux drops none before it has a
    // descriptor.
    const Fd server(CHECK_OK(accept(listener, nullptr, nullptr)));
    CheckAlive(client, server);
  }
  return 0;
}
