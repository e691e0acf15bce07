// SPDX-License-Identifier: Apache-2.0
// First process of the network domain. The kernel does the domain's work; this brings its
// interfaces up, whenever a NIC appears, with what the last domain had by DHCP, and keeps a DHCP
// client on each.
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>
#include <system_error>

#include "service-domains/common/process_one.h"
#include "service-domains/common/xenstore_client.h"
#include "service-domains/network/last_lease.h"

namespace vos::service {
namespace {

namespace fs = std::filesystem;

constexpr char kInterfaces[] = "/sys/class/net";
constexpr int kRetryMilliseconds = 2000;

void BringUp(const std::string& interface) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
    Log(interface, std::strerror(errno));
  }
  if (fd >= 0) close(fd);
}

// Events of the kernel's devices; what they say does not matter, the directory is the truth.
int OpenDeviceEvents() {
  const int fd =
      socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    Log("device events", std::strerror(errno));
  }
  return fd;
}

class DhcpClients {
 public:
  // Starts a client on every NIC that has none.
  void StartMissing() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(kInterfaces, error)) {
      // Only what has a device below it is a NIC.
      if (!fs::exists(entry.path() / "device", error)) continue;
      const std::string name = entry.path().filename();
      const auto same = [&name](const auto& client) { return client.second == name; };
      if (std::ranges::any_of(clients_, same)) continue;
      BringUp(name);
      RestoreLastLease(name);
      Start(name);
    }
  }

  void Forget(pid_t pid) { clients_.erase(pid); }

 private:
  void Start(const std::string& interface) {
    // In the foreground, quick to retry, silent unless something happens.
    const pid_t pid = StartProgram({"/bin/busybox", "udhcpc", "-f", "-i", interface, "-s",
                                    "/etc/dhcp-event", "-t", "5", "-T", "1", "-A", "2"});
    if (pid > 0) clients_[pid] = interface;
  }

  std::map<pid_t, std::string> clients_;
};

[[noreturn]] void Run() {
  PrepareSystem();
  BringUp("lo");
  // Who may open a ping socket is decided where the process is, in the primary.
  SetKernelParameter("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
  // The kernel sizes this by memory: 512 here, beyond which ports are free again too early. 250 bytes each.
  SetKernelParameter("/proc/sys/net/ipv4/tcp_max_tw_buckets", "16384");
  // Likewise: 8192 here, for all users together. How many are open is decided in the primary, 16384 at most; some are this
  // domain's own.
  SetKernelParameter("/proc/sys/fs/file-max", "17408");

  Signals signals([] {});
  const int devices = OpenDeviceEvents();

  DhcpClients clients;
  clients.StartMissing();
  if (const auto failure = XenstoreWrite(kBootedNode, "1"); !failure.empty()) {
    Log(kBootedNode, failure);
  }
  for (;;) {
    pollfd fds[] = {{signals.descriptor(), POLLIN, 0}, {devices, POLLIN, 0}};
    poll(fds, std::size(fds), -1);
    const auto ended = signals.Handle();
    for (const auto& child : ended) clients.Forget(child.pid);
    char event[4096];
    while (recv(devices, event, sizeof(event), 0) > 0) {
    }
    // A client that ended, because its NIC went away or something is wrong, is not restarted at
    // once.
    if (!ended.empty()) poll(nullptr, 0, kRetryMilliseconds);
    clients.StartMissing();
  }
}

}  // namespace
}  // namespace vos::service

int main() { vos::service::Run(); }
