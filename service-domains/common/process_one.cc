// SPDX-License-Identifier: Apache-2.0
#include "service-domains/common/process_one.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace vos::service {
namespace {

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

}  // namespace

void Log(const std::string& what, const std::string& about) {
  std::printf("init: %s: %s\n", what.c_str(), about.c_str());
  std::fflush(stdout);
}

void PrepareSystem() {
  Mount("proc", "/proc");
  Mount("sysfs", "/sys");
  Mount("devtmpfs", "/dev");
  UseConsole();
}

void SetKernelParameter(const char* path, const char* value) {
  const FileDescriptor file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), value, std::strlen(value)) < 0) Log(path, std::strerror(errno));
}

pid_t StartProgram(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) Log(command[0], std::strerror(errno));
  if (pid != 0) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(arguments[0], arguments.data());
  Log(command[0], std::strerror(errno));
  _exit(127);
}

Signals::Signals(BeforeEnd before_end) : before_end_(std::move(before_end)) {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : {SIGCHLD, SIGUSR2, SIGTERM}) sigaddset(&handled, signal);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  descriptor_ = FileDescriptor(signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::vector<Signals::Ended> Signals::Handle() {
  signalfd_siginfo info;
  while (read(descriptor(), &info, sizeof(info)) == sizeof(info)) {
    // busybox poweroff and reboot, which the kernel runs when the toolstack asks, signal process 1.
    if (info.ssi_signo != SIGUSR2 && info.ssi_signo != SIGTERM) continue;
    before_end_();
    reboot(info.ssi_signo == SIGUSR2 ? RB_POWER_OFF : RB_AUTOBOOT);
  }
  std::vector<Ended> ended;
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    ended.push_back({pid, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)});
  }
  return ended;
}

}  // namespace vos::service
