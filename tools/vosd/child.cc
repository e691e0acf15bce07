// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/child.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <utility>

namespace vos {
namespace {

// A longer line is given in pieces.
constexpr std::size_t kMaxLine = 4096;
// Reads after its end; a pipe holds no more than 64 KiB.
constexpr int kMaxLastReads = 16;
// Of ten levels each is worth a quarter: a tenth.
constexpr int kLowNice = 10;

// Owns what posix_spawn is told.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  // Nothing on standard input, `output` as standard output and error, signals as at the start of a
  // program, though the supervisor blocks some; but SIGPIPE stays ignored as the supervisor has it:
  // should that be killed, a command that says something must not end in the middle of its work.
  bool Prepare(int output) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGPIPE);
    return posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ==
               0 &&
           posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO) == 0 &&
           posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO) == 0 &&
           posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
           posix_spawnattr_setsigdefault(&attributes_, &all) == 0 &&
           posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) ==
               0;
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Result<std::unique_ptr<Child>> Child::Start(EventLoop& loop,
                                            const std::vector<std::string>& command, OnLine on_line,
                                            OnExit on_exit) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return FailErrno("pipe2");
  FileDescriptor output(ends[0]);
  const FileDescriptor input(ends[1]);
  if (fcntl(output.get(), F_SETFL, O_NONBLOCK) < 0) return FailErrno("pipe");

  SpawnSettings settings;
  if (!settings.Prepare(input.get())) return Fail("cannot prepare a child process");
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, arguments[0], settings.actions(), settings.attributes(),
                                 arguments.data(), environ);
  if (error != 0) return FailErrno(command[0], error);

  std::unique_ptr<Child> child(
      new Child(loop, pid, std::move(output), std::move(on_line), std::move(on_exit)));
  child->process_ = FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child->process_) return FailErrno("pidfd_open");
  if (auto added = loop.Add(child->process_.get(), [c = child.get()] { c->Reap(); }); !added) {
    return std::unexpected(added.error());
  }
  if (auto added = loop.Add(child->output_.get(), [c = child.get()] { c->ReadOutput(); }); !added) {
    return std::unexpected(added.error());
  }
  return child;
}

Child::Child(EventLoop& loop, pid_t pid, FileDescriptor output, OnLine on_line, OnExit on_exit)
    : loop_(loop),
      pid_(pid),
      output_(std::move(output)),
      on_line_(std::move(on_line)),
      on_exit_(std::move(on_exit)) {}

Child::~Child() {
  if (output_) loop_.Remove(output_.get());
  if (process_) loop_.Remove(process_.get());
  if (pid_ == 0) return;
  Kill();
  if (!process_ || waitpid(pid_, nullptr, WNOHANG) != 0) return;
  const int fd = process_.get();
  const auto reap = [&loop = loop_, pid = pid_,
                     process = std::make_shared<FileDescriptor>(std::move(process_))] {
    if (waitpid(pid, nullptr, WNOHANG) != 0) loop.Remove(process->get());
  };
  // Should that fail, what is left of it stays in the table of processes as long as this one does.
  (void)loop_.Add(fd, reap);
}

void Child::Kill() {
  if (pid_ != 0) kill(pid_, SIGKILL);
}

void Child::SetPriority(Priority priority) {
  if (pid_ == 0) return;
  const bool low = priority == Priority::kLow;
  // Best effort: it does its work in any case.
  const sched_param none{};
  sched_setscheduler(pid_, low ? SCHED_BATCH : SCHED_OTHER, &none);
  setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), low ? kLowNice : 0);
}

bool Child::ReadOutput() {
  char buffer[4096];
  const ssize_t count = read(output_.get(), buffer, sizeof buffer);
  if (count < 0) return false;
  if (count == 0) {
    loop_.Remove(output_.get());
    output_.Reset();
  }
  partial_line_.append(buffer, static_cast<std::size_t>(count));
  while (true) {
    const std::size_t end = partial_line_.find('\n');
    const bool last = end == partial_line_.npos;
    if (last && partial_line_.size() < kMaxLine && (output_ || partial_line_.empty()))
      return count > 0;
    const std::string line = partial_line_.substr(0, end);
    partial_line_.erase(0, last ? partial_line_.npos : end + 1);
    if (!line.empty()) on_line_(line);
  }
}

void Child::Reap() {
  int status = 0;
  const pid_t reaped = waitpid(pid_, &status, WNOHANG);
  if (reaped == 0) return;
  pid_ = 0;
  loop_.Remove(process_.get());
  // What it wrote last, without waiting for a descendant that keeps the pipe open.
  for (int reads = 0; output_ && reads < kMaxLastReads && ReadOutput(); ++reads) {
  }
  const OnExit on_exit = std::move(on_exit_);
  on_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace vos
