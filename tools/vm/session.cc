// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <format>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "tools/vm/diagnosis.h"
#include "tools/vm/frame_parser.h"
#include "tools/vm/guest_protocol.h"
#include "tools/vm/machine.h"
#include "tools/vm/terminal.h"

namespace vos::vm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

// Emulated machines on busy hosts are slow; a debug kernel multiplies that.
constexpr seconds kBootLimit{180};
constexpr seconds kDomainsLimit{180};
constexpr int kDebugFactor = 3;
constexpr seconds kStopLimit{20};
constexpr seconds kCollectLimit{120};

// Bytes of FILE waiting for whoever reads vm-run's output; beyond it the machine has to wait.
constexpr std::size_t kMaxBacklog = 1024 * 1024;
constexpr std::size_t kMaxLogs = 32;
constexpr std::size_t kMaxLogName = 64;

// Ctrl-], as telnet has it.
constexpr char kEscape = 0x1d;
constexpr char kEndOfTransmission = 0x04;

enum class Phase { kBooting, kConnecting, kRunning, kStopping, kCollecting };

// What is still to be written to one of vm-run's own output descriptors.
class OutputQueue {
 public:
  explicit OutputQueue(int fd) : fd_(fd) {}

  void Append(std::string_view bytes) {
    if (!closed_) waiting_ += bytes;
  }
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  int fd() const { return fd_; }

  // To be called when poll() says the descriptor takes bytes. The descriptor is shared with the
  // caller's other programs and thus stays blocking; a pipe then takes PIPE_BUF bytes at least.
  void Write() {
    const ssize_t written =
        write(fd_, waiting_.data(), std::min<std::size_t>(waiting_.size(), 4096));
    if (written < 0 && errno != EINTR && errno != EAGAIN) {
      closed_ = true;
      waiting_.clear();
    }
    if (written > 0) waiting_.erase(0, static_cast<std::size_t>(written));
  }

 private:
  int fd_;
  std::string waiting_;
  bool closed_ = false;
};

class Session {
 public:
  Session(const Options& options, Sandbox& sandbox, SessionParts parts)
      : options_(options), sandbox_(sandbox), parts_(std::move(parts)) {}

  Outcome Run();

 private:
  void EnterPhase(Phase phase);
  bool ReadGuest();
  void HandleFrame(const Frame& frame);
  void AppendLog(std::string_view payload);
  void WriteGuest();
  void RefillFromArchive();
  void ReadInput();
  void HandleSignal();
  void HandleProgramEnd();
  void HandleDeadline();
  void End(int status, std::string message);

  const Options& options_;
  Sandbox& sandbox_;
  SessionParts parts_;

  Phase phase_ = Phase::kBooting;
  std::optional<Clock::time_point> deadline_;
  std::optional<Outcome> outcome_;
  int exit_status_ = kToolFailedStatus;
  bool timed_out_ = false;

  FrameParser from_guest_;
  std::string to_guest_;
  FileDescriptor archive_;
  OutputQueue stdout_{STDOUT_FILENO};
  OutputQueue stderr_{STDERR_FILENO};
  std::map<std::string, FileDescriptor, std::less<>> logs_;
  FileDescriptor output_archive_;

  FileDescriptor signals_;
  std::optional<RawTerminal> terminal_;
  bool input_open_ = true;
};

void Session::EnterPhase(Phase phase) {
  phase_ = phase;
  const int factor = options_.config == "debug" ? kDebugFactor : 1;
  std::optional<seconds> limit;
  switch (phase) {
    case Phase::kBooting:
      limit = factor * kBootLimit;
      break;
    case Phase::kConnecting:
      limit = factor * kDomainsLimit;
      break;
    case Phase::kRunning:
      limit = options_.timeout;
      break;
    case Phase::kStopping:
      limit = factor * kStopLimit;
      break;
    case Phase::kCollecting:
      limit = factor * kCollectLimit;
      break;
  }
  if (options_.gdb && phase != Phase::kRunning) limit.reset();
  deadline_.reset();
  if (limit) deadline_ = Clock::now() + *limit;
}

void Session::End(int status, std::string message) {
  if (!outcome_) outcome_ = Outcome{status, std::move(message)};
}

Outcome Session::Run() {
  signals_ = FileDescriptor([] {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : kSessionSignals) sigaddset(&set, signal);
    return signalfd(-1, &set, SFD_CLOEXEC);
  }());
  archive_ = FileDescriptor(open(parts_.job_archive.c_str(), O_RDONLY | O_CLOEXEC));
  if (!signals_ || !archive_) return {kToolFailedStatus, "vm-run cannot open what it made"};
  fcntl(parts_.guest.get(), F_SETFL, O_NONBLOCK);
  EnterPhase(Phase::kBooting);

  // What FILE wrote goes out before vm-run ends, within the time it has.
  while (!outcome_ || ((!stdout_.empty() || !stderr_.empty()) && deadline_)) {
    const bool take_input = options_.tty && phase_ == Phase::kRunning && input_open_ &&
                            to_guest_.size() < kMaxPayload && !outcome_;
    const bool take_guest =
        stdout_.size() < kMaxBacklog && stderr_.size() < kMaxBacklog && parts_.guest && !outcome_;
    const auto want = [](bool wanted, int fd) { return wanted ? fd : -1; };
    const short guest_events =
        static_cast<short>((take_guest ? POLLIN : 0) | (to_guest_.empty() ? 0 : POLLOUT));
    enum { kGuest, kEvents, kSignals, kInput, kStdout, kStderr, kCount };
    pollfd fds[kCount] = {
        {want(guest_events != 0, parts_.guest.get()), guest_events, 0},
        {want(!outcome_, sandbox_.events()), POLLIN, 0},
        {signals_.get(), POLLIN, 0},
        {want(take_input, STDIN_FILENO), POLLIN, 0},
        {want(!stdout_.empty(), stdout_.fd()), POLLOUT, 0},
        {want(!stderr_.empty(), stderr_.fd()), POLLOUT, 0},
    };
    int timeout = -1;
    if (deadline_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
      timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
    }
    if (poll(fds, kCount, timeout) < 0 && errno != EINTR) {
      End(kToolFailedStatus, std::format("poll: {}", std::strerror(errno)));
      break;
    }
    if (fds[kStdout].revents) stdout_.Write();
    if (fds[kStderr].revents) stderr_.Write();
    if (fds[kSignals].revents) HandleSignal();
    if (fds[kInput].revents) ReadInput();
    // Before the machine's end: its last words may still be in the socket.
    if (fds[kGuest].revents & (POLLIN | POLLHUP | POLLERR)) ReadGuest();
    if (fds[kGuest].revents & POLLOUT) WriteGuest();
    if (fds[kEvents].revents && !outcome_) HandleProgramEnd();
    if (deadline_ && Clock::now() >= *deadline_) {
      if (outcome_) break;
      HandleDeadline();
    }
  }
  terminal_.reset();
  return *outcome_;
}

// False: there is nothing to be read now.
bool Session::ReadGuest() {
  char buffer[kMaxPayload];
  const ssize_t size = read(parts_.guest.get(), buffer, sizeof(buffer));
  if (size <= 0) {
    // The machine's end is told by the sandbox; here is nothing more to come.
    if (size == 0 || (errno != EAGAIN && errno != EINTR)) parts_.guest.Reset();
    return false;
  }
  from_guest_.Append({buffer, static_cast<std::size_t>(size)});
  while (!outcome_) {
    const std::optional<Frame> frame = from_guest_.Next();
    if (!frame) break;
    HandleFrame(*frame);
  }
  if (from_guest_.broken()) End(kBootFailedStatus, "the primary's init sent nonsense");
  return true;
}

void Session::HandleFrame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kBooted:
      if (phase_ == Phase::kBooting) EnterPhase(Phase::kConnecting);
      for (const std::string& word : options_.command) {
        AppendFrames(to_guest_, FrameType::kArgument, word);
      }
      RefillFromArchive();
      return;
    case FrameType::kReady:
      EnterPhase(Phase::kRunning);
      if (options_.tty) terminal_.emplace();
      return;
    case FrameType::kStdout:
      stdout_.Append(frame.payload);
      return;
    case FrameType::kStderr:
      stderr_.Append(frame.payload);
      return;
    case FrameType::kLog:
      AppendLog(frame.payload);
      return;
    case FrameType::kExit: {
      const std::string& text = frame.payload;
      int status = kToolFailedStatus;
      std::from_chars(text.data(), text.data() + text.size(), status);
      exit_status_ = std::clamp(status, 0, 255);
      EnterPhase(Phase::kCollecting);
      return;
    }
    case FrameType::kOutput:
      if (!output_archive_) {
        output_archive_ = FileDescriptor(
            open((parts_.run / kOutputArchive).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
      }
      if (write(output_archive_.get(), frame.payload.data(), frame.payload.size()) !=
          static_cast<ssize_t>(frame.payload.size())) {
        End(kToolFailedStatus,
            std::format("cannot write what FILE left: {}", std::strerror(errno)));
      }
      return;
    case FrameType::kDone:
      if (timed_out_) {
        End(kTimeoutStatus,
            std::format("{} did not end within {}", options_.command[0], *options_.timeout));
      } else {
        End(exit_status_, "");
      }
      return;
    case FrameType::kFailed:
      End(kBootFailedStatus, DescribeFailure(parts_.run, frame.payload, LogsOf::kDomains));
      return;
    default:
      return;
  }
}

void Session::AppendLog(std::string_view payload) {
  const std::size_t end = payload.find('\0');
  if (end == payload.npos || end == 0 || end > kMaxLogName) return;
  const std::string_view name = payload.substr(0, end);
  if (name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
      name.npos) {
    return;
  }
  auto log = logs_.find(name);
  if (log == logs_.end()) {
    if (logs_.size() == kMaxLogs) return;
    const std::filesystem::path path = parts_.run / std::format("{}.log", name);
    FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    log = logs_.emplace(name, std::move(file)).first;
  }
  const std::string_view bytes = payload.substr(end + 1);
  // A full disk must not end the run; the log then ends early.
  [[maybe_unused]] const ssize_t written = write(log->second.get(), bytes.data(), bytes.size());
}

void Session::WriteGuest() {
  const ssize_t written = write(parts_.guest.get(), to_guest_.data(), to_guest_.size());
  if (written > 0) to_guest_.erase(0, static_cast<std::size_t>(written));
  RefillFromArchive();
}

void Session::RefillFromArchive() {
  while (archive_ && to_guest_.size() < kMaxPayload) {
    char buffer[kMaxPayload];
    const ssize_t size = read(archive_.get(), buffer, sizeof(buffer));
    if (size > 0) {
      AppendFrames(to_guest_, FrameType::kFiles, {buffer, static_cast<std::size_t>(size)});
      continue;
    }
    archive_.Reset();
    std::string start;
    if (options_.tty) {
      const WindowSize size_now = TerminalSize();
      start.assign(reinterpret_cast<const char*>(&size_now), sizeof(size_now));
    }
    AppendFrames(to_guest_, FrameType::kStart, start);
  }
}

void Session::ReadInput() {
  char buffer[4096];
  const ssize_t size = read(STDIN_FILENO, buffer, sizeof(buffer));
  if (size <= 0) {
    input_open_ = false;
    AppendFrames(to_guest_, FrameType::kInput, {&kEndOfTransmission, 1});
    return;
  }
  const std::string_view bytes(buffer, static_cast<std::size_t>(size));
  if (terminal_ && bytes.contains(kEscape)) {
    End(128 + SIGINT, "ended by Ctrl-]");
    return;
  }
  AppendFrames(to_guest_, FrameType::kInput, bytes);
}

void Session::HandleSignal() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
  if (info.ssi_signo != SIGWINCH) {
    End(128 + static_cast<int>(info.ssi_signo),
        std::format("ended by {}", strsignal(static_cast<int>(info.ssi_signo))));
    deadline_.reset();
  } else if (options_.tty && phase_ == Phase::kRunning) {
    const WindowSize size = TerminalSize();
    AppendFrames(to_guest_, FrameType::kWindowSize,
                 {reinterpret_cast<const char*>(&size), sizeof(size)});
  }
}

void Session::HandleProgramEnd() {
  const auto end = sandbox_.NextEnd();
  if (!end) {
    End(kToolFailedStatus, end.error());
    return;
  }
  // A --host program may end when it likes.
  if (end->program != parts_.machine) return;
  // What it sent before: no more comes, whoever else may have its end of the socket.
  while (!outcome_ && parts_.guest && ReadGuest()) {
  }
  if (!outcome_) {
    const bool machine_ran = HasText(parts_.run / kSerialLog);
    if (!machine_ran) {
      End(kToolFailedStatus,
          std::format("QEMU ended before it ran anything\n{}", LastLines(parts_.run / kQemuLog)));
    } else {
      const bool booting = phase_ == Phase::kBooting || phase_ == Phase::kConnecting;
      const std::string what =
          booting ? "the machine ended while it booted" : "the machine ended while FILE ran";
      End(kBootFailedStatus, DescribeFailure(parts_.run, what, LogsOf::kMachine));
    }
  }
}

void Session::HandleDeadline() {
  switch (phase_) {
    case Phase::kBooting:
      End(kBootFailedStatus,
          DescribeFailure(parts_.run, "the primary did not boot in time", LogsOf::kMachine));
      return;
    case Phase::kConnecting:
      End(kBootFailedStatus,
          DescribeFailure(parts_.run, "the primary stopped while it booted", LogsOf::kDomains));
      return;
    case Phase::kRunning:
      timed_out_ = true;
      AppendFrames(to_guest_, FrameType::kStop, "");
      EnterPhase(Phase::kStopping);
      return;
    case Phase::kStopping:
    case Phase::kCollecting:
      if (timed_out_) {
        End(kTimeoutStatus,
            std::format("{} did not end within {}, and the primary no longer answered\n{}",
                        options_.command[0], *options_.timeout,
                        LastLines(parts_.run / kSerialLog)));
      } else {
        End(kBootFailedStatus,
            DescribeFailure(parts_.run, "the primary stopped after FILE ended", LogsOf::kMachine));
      }
      return;
  }
}

}  // namespace

Outcome RunSession(const Options& options, Sandbox& sandbox, SessionParts parts) {
  return Session(options, sandbox, std::move(parts)).Run();
}

}  // namespace vos::vm
