// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/sandbox.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <format>
#include <fstream>
#include <string_view>

namespace vos::vm {
namespace {

// A message from the sandbox's first process: a program's end, or why it could not start.
struct Event {
  std::size_t program;
  int wait_status;
  char error[256];
};

[[noreturn]] void Fail(int events, std::string_view what) {
  Event event{};
  const std::string text = std::format("{}: {}", what, std::strerror(errno));
  std::strncpy(event.error, text.c_str(), sizeof(event.error) - 1);
  [[maybe_unused]] const ssize_t written = write(events, &event, sizeof(event));
  _exit(1);
}

bool BringLoopbackUp() {
  FileDescriptor socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return socket_fd && ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) == 0;
}

[[noreturn]] void RunProgram(const Program& program, int events) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int log = open(program.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (log < 0 || nothing < 0) Fail(events, program.log.native());
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  if (chdir(program.directory.c_str()) != 0) Fail(events, program.directory.native());
  if (program.passed_descriptor >= 0) fcntl(program.passed_descriptor, F_SETFD, 0);
  for (const std::string& variable : program.environment) putenv(strdup(variable.c_str()));
  std::vector<char*> argv;
  for (const std::string& word : program.command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  Fail(events, program.command[0]);
}

// The first process of the namespaces: starts the programs and reports each one's end.
[[noreturn]] void RunSandbox(const std::vector<Program>& programs,
                             const std::filesystem::path& resolv_conf, int events, int go) {
  char byte;
  // Only now are the ids mapped. End of file: the creator is gone.
  if (read(go, &byte, 1) != 1) _exit(1);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // If the creator died before the line above, the lifeline is closed by now.
  fcntl(go, F_SETFL, O_NONBLOCK);
  if (read(go, &byte, 1) == 0) _exit(1);
  setsid();

  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) Fail(events, "mount /");
  // A container may forbid a fresh proc; the old one only misleads about process ids.
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  // Hosts without the file have no programs that read it.
  char* const target = realpath("/etc/resolv.conf", nullptr);
  if (target && mount(resolv_conf.c_str(), target, nullptr, MS_BIND, nullptr) != 0) {
    Fail(events, "mount over /etc/resolv.conf");
  }
  if (!BringLoopbackUp()) Fail(events, "loopback");

  std::vector<pid_t> pids;
  for (const Program& program : programs) {
    const pid_t pid = fork();
    if (pid < 0) Fail(events, "fork");
    if (pid == 0) RunProgram(program, events);
    pids.push_back(pid);
  }
  // Ends with the program that has it, and not with the last of them.
  for (const Program& program : programs) {
    if (program.passed_descriptor >= 0) close(program.passed_descriptor);
  }
  for (;;) {
    int status;
    const pid_t pid = wait(&status);
    if (pid < 0) {
      if (errno == EINTR) continue;
      _exit(0);
    }
    for (std::size_t i = 0; i < pids.size(); ++i) {
      if (pids[i] != pid) continue;
      const Event event{i, status, {}};
      if (write(events, &event, sizeof(event)) != sizeof(event)) _exit(1);
    }
  }
}

bool WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  return !file.fail();
}

}  // namespace

std::expected<Sandbox, std::string> Sandbox::Start(const std::vector<Program>& programs,
                                                   const std::filesystem::path& resolv_conf) {
  int events[2];
  int go[2];
  if (pipe2(events, O_CLOEXEC) != 0) return std::unexpected("pipe failed");
  FileDescriptor events_read(events[0]), events_write(events[1]);
  if (pipe2(go, O_CLOEXEC) != 0) return std::unexpected("pipe failed");
  FileDescriptor go_read(go[0]), lifeline(go[1]);

  const bool root = geteuid() == 0;
  const int namespaces =
      CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | (root ? 0 : CLONE_NEWUSER);
  const auto pid = static_cast<pid_t>(
      syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (pid < 0) {
    return std::unexpected(std::format(
        "no namespace for QEMU: {} ({})", std::strerror(errno),
        root ? "the container lacks privileges" : "unprivileged user namespaces are disabled"));
  }
  if (pid == 0) {
    events_read.Reset();
    lifeline.Reset();
    RunSandbox(programs, resolv_conf, events_write.get(), go_read.get());
  }
  Sandbox sandbox(pid, std::move(events_read), std::move(lifeline));
  if (!root) {
    const std::string process = std::format("/proc/{}/", pid);
    if (!WriteFile(process + "setgroups", "deny") ||
        !WriteFile(process + "uid_map", std::format("0 {} 1\n", geteuid())) ||
        !WriteFile(process + "gid_map", std::format("0 {} 1\n", getegid()))) {
      return std::unexpected("cannot map user ids into the namespace for QEMU");
    }
  }
  if (write(sandbox.lifeline_.get(), "", 1) != 1)
    return std::unexpected("the namespace for QEMU is gone");
  return sandbox;
}

Sandbox::Sandbox(Sandbox&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      events_(std::move(other.events_)),
      lifeline_(std::move(other.lifeline_)) {}

Sandbox::~Sandbox() {
  if (pid_ < 0) return;
  // It is the init of its namespace: every process in there ends before it can be waited for.
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::expected<ProgramEnd, std::string> Sandbox::NextEnd() {
  Event event;
  if (read(events_.get(), &event, sizeof(event)) != sizeof(event)) {
    return std::unexpected("the namespace for QEMU ended");
  }
  if (event.error[0] != '\0') {
    event.error[sizeof(event.error) - 1] = '\0';
    return std::unexpected(std::string(event.error));
  }
  return ProgramEnd{event.program, event.wait_status};
}

}  // namespace vos::vm
