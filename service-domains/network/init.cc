// SPDX-License-Identifier: Apache-2.0
// First process of a service domain. The kernel does the domain's work; this brings its interfaces
// up, whenever a NIC appears, and keeps a DHCP client on each. It never exits: that would panic the
// kernel.
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <map>
#include <string>
#include <system_error>

namespace vos::service {
namespace {

namespace fs = std::filesystem;

constexpr char kInterfaces[] = "/sys/class/net";
constexpr int kRetryMilliseconds = 2000;

void Log(const char* what, const std::string& about) {
  std::printf("init: %s: %s\n", what, about.c_str());
  std::fflush(stdout);
}

void Mount(const char* type, const char* target) {
  mkdir(target, 0755);
  if (mount(type, target, type, 0, nullptr) != 0 && errno != EBUSY) {
    Log(target, std::strerror(errno));
  }
}

void UseConsole() {
  const int console = open("/dev/console", O_RDWR);
  if (console < 0) return;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(console, fd);
  if (console > STDERR_FILENO) close(console);
}

void BringUp(const std::string& interface) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
    Log(interface.c_str(), std::strerror(errno));
  }
  if (fd >= 0) close(fd);
}

void SetKernelParameter(const char* path, const char* value) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, value, std::strlen(value)) < 0) Log(path, std::strerror(errno));
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
      Start(name);
    }
  }

  void Reap() {
    while (const pid_t pid = waitpid(-1, nullptr, WNOHANG)) {
      if (pid < 0) break;
      clients_.erase(pid);
    }
  }

 private:
  void Start(const std::string& interface) {
    const pid_t pid = fork();
    if (pid != 0) {
      if (pid > 0) clients_[pid] = interface;
      return;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // In the foreground, quick to retry, silent unless something happens.
    execl("/bin/busybox", "udhcpc", "-f", "-i", interface.c_str(), "-s", "/etc/dhcp-event", "-t",
          "5", "-T", "1", "-A", "2", static_cast<char*>(nullptr));
    Log("udhcpc", std::strerror(errno));
    _exit(1);
  }

  std::map<pid_t, std::string> clients_;
};

void HandleSignals(int signals) {
  signalfd_siginfo info;
  while (read(signals, &info, sizeof(info)) == sizeof(info)) {
    // busybox poweroff and reboot, which the kernel runs when the toolstack asks, signal process 1.
    if (info.ssi_signo == SIGUSR2) reboot(RB_POWER_OFF);
    if (info.ssi_signo == SIGTERM) reboot(RB_AUTOBOOT);
  }
}

[[noreturn]] void Run() {
  Mount("proc", "/proc");
  Mount("sysfs", "/sys");
  Mount("devtmpfs", "/dev");
  UseConsole();
  BringUp("lo");
  // Who may open a ping socket is decided where the process is, in the primary.
  SetKernelParameter("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
  // The kernel sizes this by memory: 512 here, beyond which ports are free again too early. 250 bytes each.
  SetKernelParameter("/proc/sys/net/ipv4/tcp_max_tw_buckets", "16384");

  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGCHLD, SIGUSR2, SIGTERM}) sigaddset(&handled, signal);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  const int signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  const int devices = OpenDeviceEvents();

  DhcpClients clients;
  clients.StartMissing();
  for (;;) {
    pollfd fds[] = {{signals, POLLIN, 0}, {devices, POLLIN, 0}};
    poll(fds, std::size(fds), -1);
    const bool child_ended = fds[0].revents != 0;
    HandleSignals(signals);
    clients.Reap();
    char event[4096];
    while (recv(devices, event, sizeof(event), 0) > 0) {
    }
    // A client that ended, because its NIC went away or something is wrong, is not restarted at
    // once.
    if (child_ended) poll(nullptr, 0, kRetryMilliseconds);
    clients.StartMissing();
  }
}

}  // namespace
}  // namespace vos::service

int main() { vos::service::Run(); }
