// SPDX-License-Identifier: Apache-2.0
#include "tools/vos/trace.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <format>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "tools/common/control_device.h"
#include "tools/common/file_descriptor.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vos/trace_line.h"

namespace vos {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr char kInstances[] = "/sys/kernel/tracing/instances/";
constexpr std::string_view kInstancePrefix = "vos-trace-";
constexpr std::size_t kMaxName = 15;  // of a process
constexpr int kMaxLastPieces = 4096;
// Longer than any line of trace_pipe: the kernel makes them in one page.
constexpr std::size_t kMaxLine = 8192;

Result<void> WriteControl(const std::string& path, std::string_view text) {
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) < 0) return FailErrno(path);
  return {};
}

// A buffer of trace events of our own: others that trace are not disturbed.
class TraceInstance {
 public:
  static Result<TraceInstance> Create(pid_t process) {
    RemoveStale();
    const std::string path = std::format("{}{}{}", kInstances, kInstancePrefix, getpid());
    if (mkdir(path.c_str(), 0700) < 0) {
      if (errno == ENOENT) return Fail("this kernel has no trace events", errno);
      return FailErrno(path);
    }
    TraceInstance instance(path);
    const std::string event = path + "/events/virtuos/virtuos_call/";
    // The times of the kernel's log, and of all processors in one order.
    auto ready = WriteControl(path + "/trace_clock", "mono")
                     .and_then([&] {
                       return WriteControl(event + "filter", std::format("tgid == {}", process));
                     })
                     .and_then([&] { return WriteControl(event + "enable", "1"); });
    if (!ready) return std::unexpected(ready.error());
    const std::string pipe = path + "/trace_pipe";
    instance.pipe_ = FileDescriptor(open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!instance.pipe_) return FailErrno(pipe);
    return instance;
  }

  TraceInstance(TraceInstance&& other) noexcept
      : path_(std::exchange(other.path_, {})), pipe_(std::move(other.pipe_)) {}
  TraceInstance& operator=(TraceInstance&&) = delete;
  ~TraceInstance() {
    pipe_.Reset();
    if (!path_.empty()) rmdir(path_.c_str());
  }

  int pipe() const { return pipe_.get(); }

 private:
  explicit TraceInstance(std::string path) : path_(std::move(path)) {}

  // Those of processes that were killed.
  static void RemoveStale() {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(kInstances, error)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with(kInstancePrefix)) continue;
      const auto owner = ParseDecimal<pid_t>(name.substr(kInstancePrefix.size()));
      if (owner && kill(*owner, 0) < 0 && errno == ESRCH) rmdir(entry.path().c_str());
    }
  }

  std::string path_;
  FileDescriptor pipe_;
};

// Cuts what comes from trace_pipe into lines, and prints them.
class Printer {
 public:
  void Add(std::string_view text) {
    pending_ += text;
    std::size_t begin = 0;
    for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      Print(std::string_view(pending_).substr(begin, end - begin));
    }
    pending_.erase(0, begin);
    if (pending_.size() > kMaxLine) pending_.clear();
    std::cout << std::flush;
  }

 private:
  static void Print(std::string_view line) {
    if (const auto call = ParseTracedCall(line)) {
      std::cout << TraceLine(*call);
    } else if (const auto lost = ParseLostEvents(line)) {
      std::cout << std::format("{} calls are missing here: there were too many\n", *lost);
    }
  }

  std::string pending_;
};

// A piece of what is there now. False: there is nothing.
Result<bool> PrintSome(int pipe, Printer& printer) {
  std::array<char, 16384> buffer;
  const ssize_t bytes = read(pipe, buffer.data(), buffer.size());
  if (bytes > 0) {
    printer.Add(std::string_view(buffer.data(), static_cast<std::size_t>(bytes)));
    return true;
  }
  if (bytes == 0 || errno == EAGAIN || errno == EINTR) return false;
  return FailErrno("trace_pipe");
}

int PollLimit(const std::optional<Clock::time_point>& end) {
  if (!end) return -1;
  return static_cast<int>(
      std::max(std::chrono::ceil<milliseconds>(*end - Clock::now()), milliseconds{0}).count());
}

}  // namespace

Result<void> Trace(const TraceCommand& command) {
  const FileDescriptor process(static_cast<int>(syscall(SYS_pidfd_open, command.process, 0)));
  if (!process) return Fail(std::format("there is no process {}", command.process), errno);
  auto device = ControlDevice::Open();
  if (!device) return std::unexpected(device.error());

  // From here on nothing ends us before the instance is removed. Writing fails if nobody reads.
  sigset_t ending;
  sigemptyset(&ending);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ending, signal);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const FileDescriptor signals(signalfd(-1, &ending, SFD_CLOEXEC));
  if (!signals) return FailErrno("signalfd");

  const auto instance = TraceInstance::Create(command.process);
  if (!instance) return std::unexpected(instance.error());
  if (auto traced = device->Trace(command.process); !traced) return traced;

  const auto name = ReadTextFile(std::format("/proc/{}/comm", command.process));
  std::cerr << std::format("vos: tracing {} ({}); until this ends, its calls go by trap\n",
                           command.process, Printable(Trim(name.value_or("?")), kMaxName));
  std::cout << TraceHeading() << std::flush;

  std::optional<Clock::time_point> end;
  if (command.limit) end = Clock::now() + *command.limit;
  Printer printer;
  std::array<pollfd, 3> events{
      {{instance->pipe(), POLLIN, 0}, {process.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}}};
  // A piece at a time: the process may call faster than is printed, and that may even be why.
  for (bool over = false; !over && std::cout;) {
    const int ready = poll(events.data(), events.size(), PollLimit(end));
    if (ready < 0 && errno != EINTR) return FailErrno("poll");
    over = (end && Clock::now() >= *end) ||
           (ready > 0 && (events[1].revents != 0 || events[2].revents != 0));
    if (auto some = PrintSome(instance->pipe(), printer); !some) {
      return std::unexpected(some.error());
    }
  }
  // What was there at the end, as much as the kernel keeps.
  for (int i = 0; i < kMaxLastPieces && std::cout; ++i) {
    const auto some = PrintSome(instance->pipe(), printer);
    if (!some) return std::unexpected(some.error());
    if (!*some) break;
  }
  return {};
}

}  // namespace vos
