// SPDX-License-Identifier: Apache-2.0
// The primary domain's first process under vm-run: brings Xen's toolstack and vosd up, unless there
// is no Xen below it, runs one job that vm-run sends, and tells vm-run everything over a
// virtio-serial port. See tools/vm/guest_protocol.h. It must not depend on anything that a job may
// break, so it is static and holds no lock; whatever waits here has a limit, but for the job.
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <format>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/common/file_descriptor.h"
#include "tools/vm/frame_parser.h"
#include "tools/vm/guest_protocol.h"

namespace vos::vm {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr char kXenPrograms[] = "/usr/lib/xen-4.20/bin/";
constexpr char kVosd[] = "/usr/sbin/vosd";
constexpr char kStateDirectory[] = "/run/virtuos";
constexpr char kConsoleLogs[] = "/var/log/xen/console";
constexpr std::string_view kGuestLogPrefix = "guest-";
constexpr char kJobDirectory[] = "/root/job";
constexpr char kOutputDirectory[] = "/root/out";
constexpr char kNetworkConfig[] = "/etc/virtuos/network.cfg";
constexpr char kPvhNetworkConfig[] = "/usr/share/virtuos/network-pvh.cfg";

constexpr seconds kToolstackLimit{30};
constexpr seconds kDomainsLimit{120};
constexpr seconds kMountLimit{10};
constexpr seconds kShutdownLimit{30};
constexpr seconds kStopGrace{2};
constexpr seconds kTarLimit{100};
constexpr int kMaxSources = 32;
// A vosd that is killed more often than this is not started again.
constexpr std::size_t kMaxSupervisorStarts = 20;
constexpr seconds kSupervisorStartsPeriod{60};
// A pipe holds no more than this many reads; a terminal less.
constexpr int kMaxLastReads = 16;

struct ExitedChild {
  bool exited = false;
  int wait_status = 0;
};

[[noreturn]] void PowerOff() {
  sync();
  reboot(RB_POWER_OFF);
  for (;;) pause();
}

// For failures before the port is open: the text goes to the serial log, vm-run sees the machine
// end.
[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "virtuos init: %s\n", why.c_str());
  PowerOff();
}

std::string ReadSmallFile(const fs::path& path) {
  std::ifstream file(path);
  std::string text(std::istreambuf_iterator<char>(file), {});
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Value of NAME=value on the kernel's command line.
std::string KernelOption(std::string_view name) {
  const std::string line = " " + ReadSmallFile("/proc/cmdline") + " ";
  const std::string key = std::format(" {}=", name);
  const std::size_t start = line.rfind(key);
  if (start == line.npos) return "";
  const std::size_t value = start + key.size();
  return line.substr(value, line.find(' ', value) - value);
}

bool OnXen() { return ReadSmallFile("/sys/hypervisor/type") == "xen"; }

struct Mount {
  const char* target;
  const char* type;
  unsigned long flags;
  const char* data;
  bool required;
};
constexpr const char* kXenFiles = "/proc/xen";
// /sys, which tells of Xen, before Xen's.
constexpr Mount kMounts[] = {
    {"/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr, true},
    {"/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr, true},
    {"/dev", "devtmpfs", MS_NOSUID, "mode=755", true},
    {"/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666", true},
    {"/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", true},
    {"/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755", true},
    {"/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", true},
    {kXenFiles, "xenfs", 0, nullptr, true},
    {"/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr, false},
    {"/sys/kernel/debug", "debugfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr, false},
    {"/sys/kernel/tracing", "tracefs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr, false},
};

void PrepareSystem() {
  for (const Mount& entry : kMounts) {
    if (entry.target == kXenFiles && !OnXen()) continue;
    mkdir(entry.target, 0755);
    // EBUSY: the kernel has mounted it already.
    if (mount(entry.type, entry.target, entry.type, entry.flags, entry.data) != 0 &&
        errno != EBUSY && entry.required) {
      Die(std::format("mount {}: {}", entry.target, std::strerror(errno)));
    }
  }
  std::error_code error;
  for (const char* directory :
       {"/run/lock", "/run/xen", "/run/xenstored", "/run/virtuos", "/var/lib/xen",
        "/var/lib/xenstored", "/var/log/xen/console", kJobDirectory, kOutputDirectory}) {
    fs::create_directories(directory, error);
    if (error) Die(std::format("{}: {}", directory, error.message()));
  }
  const struct {
    const char* link;
    const char* target;
  } links[] = {{"/dev/fd", "/proc/self/fd"},
               {"/dev/stdin", "fd/0"},
               {"/dev/stdout", "fd/1"},
               {"/dev/stderr", "fd/2"}};
  for (const auto& [link, target] : links) {
    [[maybe_unused]] const int result = symlink(target, link);
  }
  sethostname("primary", 7);

  FileDescriptor any_socket(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (!any_socket || ioctl(any_socket.get(), SIOCSIFFLAGS, &request) != 0) {
    Die(std::format("loopback: {}", std::strerror(errno)));
  }

  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("HOME", "/root", 1);
  setenv("USER", "root", 1);
  setenv("LANG", "C.UTF-8", 1);
  const rlimit files{1024, 512 * 1024};
  setrlimit(RLIMIT_NOFILE, &files);
}

FileDescriptor OpenPort() {
  for (const auto& entry : fs::directory_iterator("/sys/class/virtio-ports")) {
    if (ReadSmallFile(entry.path() / "name") != kPortName) continue;
    return FileDescriptor(
        open(("/dev/" + entry.path().filename().native()).c_str(), O_RDWR | O_CLOEXEC));
  }
  return FileDescriptor();
}

class Init {
 public:
  explicit Init(FileDescriptor port);
  [[noreturn]] void Run();

 private:
  using Handler = std::function<void()>;

  // Serves everything that happens until `done` holds or the limit is over; returns done().
  bool ServeUntil(const std::function<bool()>& done, std::optional<Clock::time_point> limit);

  void Send(FrameType type, std::string_view payload);
  [[noreturn]] void Fail(std::string_view why);
  [[noreturn]] void WaitForEnd();

  // Calls `handler` whenever the descriptor, which must not be negative, is readable.
  void Watch(int fd, Handler handler) { sources_[fd] = std::move(handler); }
  void Unwatch(int fd) { sources_.erase(fd); }

  pid_t Spawn(const std::vector<std::string>& command, int in, int out, int error);
  // Starts a command whose output becomes a log.
  pid_t SpawnLogged(const std::vector<std::string>& command, const std::string& log);
  // Runs a command to its end, its output becoming a log; true if it succeeded in time.
  bool RunLogged(const std::vector<std::string>& command, const std::string& log);

  void ReadPort();
  void HandleFrame(const Frame& frame);
  void ReapChildren();
  void KeepSupervisor(int wait_status);
  void ReadKernelLog();
  void ReadConsoleLogs();
  void FollowConsoleLogs();

  void StartToolstack();
  void LeaveProcessorsToDomains();
  void StartDomains();
  // Mounts what the storage domain serves, once it does; see /etc/fstab.
  void MountStorage();
  bool StorageIsMounted();
  void CheckStorage();
  void ShutStorageDown();
  void StartJob();
  void StopJob();
  void ReadJobOutput(FileDescriptor& from, FrameType type);
  void SendOutputDirectory();

  FileDescriptor port_;
  FrameParser from_host_;
  FileDescriptor signals_;
  FileDescriptor kernel_log_;
  FileDescriptor console_changes_;
  FileDescriptor state_changes_;
  std::map<std::string, std::streamoff> console_log_ends_;
  std::map<int, Handler> sources_;
  std::map<int, FileDescriptor> log_pipes_;
  std::map<pid_t, ExitedChild> children_;
  pid_t vosd_ = -1;
  std::vector<Clock::time_point> vosd_starts_;
  bool shutting_down_ = false;
  pid_t storage_mount_ = -1;

  std::vector<std::string> job_command_;
  FileDescriptor job_files_;  // standard input of the tar that unpacks the files
  pid_t job_files_tar_ = -1;
  bool job_complete_ = false;
  std::optional<WindowSize> job_window_;
  pid_t job_ = -1;
  std::optional<Clock::time_point> job_kill_time_;
  FileDescriptor job_terminal_, job_stdout_, job_stderr_;
};

Init::Init(FileDescriptor port) : port_(std::move(port)) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signals_ = FileDescriptor(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  kernel_log_ = FileDescriptor(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  console_changes_ = FileDescriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!signals_ || !kernel_log_ || !console_changes_ ||
      inotify_add_watch(console_changes_.get(), kConsoleLogs, IN_CREATE | IN_MODIFY) < 0) {
    Die(std::format("no descriptors: {}", std::strerror(errno)));
  }
  Watch(port_.get(), [this] { ReadPort(); });
  Watch(signals_.get(), [this] { ReapChildren(); });
  Watch(kernel_log_.get(), [this] { ReadKernelLog(); });
  Watch(console_changes_.get(), [this] { ReadConsoleLogs(); });
}

bool Init::ServeUntil(const std::function<bool()>& done, std::optional<Clock::time_point> limit) {
  for (;;) {
    if (done()) return true;
    int timeout = -1;
    if (limit) {
      const auto left = std::chrono::ceil<milliseconds>(*limit - Clock::now()).count();
      if (left <= 0) return false;
      timeout = static_cast<int>(left);
    }
    pollfd fds[kMaxSources];
    nfds_t count = 0;
    for (const auto& [fd, handler] : sources_) {
      if (count < kMaxSources) fds[count++] = {fd, POLLIN, 0};
    }
    if (poll(fds, count, timeout) < 0) continue;
    for (nfds_t i = 0; i < count; ++i) {
      // A handler may have ended another source of this round.
      const auto source = sources_.find(fds[i].fd);
      if (fds[i].revents == 0 || source == sources_.end()) continue;
      const Handler handler = source->second;
      handler();
    }
  }
}

void Init::Send(FrameType type, std::string_view payload) {
  std::string bytes;
  AppendFrames(bytes, type, payload);
  // vm-run always reads; when it is gone, so is the machine.
  WriteAll(port_.get(), bytes);
}

void Init::Fail(std::string_view why) {
  ReadKernelLog();
  FollowConsoleLogs();
  Send(FrameType::kFailed, why);
  WaitForEnd();
}

void Init::WaitForEnd() {
  ServeUntil([] { return false; }, std::nullopt);
  std::abort();
}

pid_t Init::Spawn(const std::vector<std::string>& command, int in, int out, int error) {
  const pid_t pid = fork();
  if (pid != 0) {
    children_[pid] = {};
    return pid;
  }
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(error, STDERR_FILENO);
  if (isatty(STDIN_FILENO)) ioctl(STDIN_FILENO, TIOCSCTTY, 0);
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  const int reason = errno;
  dprintf(STDERR_FILENO, "vm-run: %s: %s\n", argv[0], std::strerror(reason));
  // As a shell has it.
  _exit(reason == ENOENT ? 127 : 126);
}

pid_t Init::SpawnLogged(const std::vector<std::string>& command, const std::string& log) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail(std::format("pipe: {}", std::strerror(errno)));
  const int from = ends[0];
  FileDescriptor into(ends[1]);
  FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  log_pipes_[from] = FileDescriptor(from);
  Watch(from, [this, from, log] {
    char buffer[4096];
    const ssize_t size = read(from, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) return;
    if (size <= 0) {
      Unwatch(from);
      log_pipes_.erase(from);
      return;
    }
    std::string payload = log + '\0';
    payload.append(buffer, static_cast<std::size_t>(size));
    Send(FrameType::kLog, payload);
  });
  return Spawn(command, nothing.get(), into.get(), into.get());
}

bool Init::RunLogged(const std::vector<std::string>& command, const std::string& log) {
  const pid_t pid = SpawnLogged(command, log);
  if (!ServeUntil([&] { return children_[pid].exited; }, Clock::now() + kToolstackLimit)) {
    kill(pid, SIGKILL);
    return false;
  }
  const int status = children_[pid].wait_status;
  children_.erase(pid);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void Init::ReapChildren() {
  signalfd_siginfo info;
  while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
  }
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto child = children_.find(pid);
    // Others are orphans of a job.
    if (child != children_.end()) child->second = {true, status};
    if (pid == vosd_) KeepSupervisor(status);
  }
}

// The part of a service manager: a vosd that was killed is started again. One that ended by itself
// has said why.
void Init::KeepSupervisor(int wait_status) {
  if (!WIFSIGNALED(wait_status) || shutting_down_) return;
  const Clock::time_point now = Clock::now();
  std::erase_if(vosd_starts_,
                [&](Clock::time_point start) { return now - start > kSupervisorStartsPeriod; });
  if (vosd_starts_.size() >= kMaxSupervisorStarts) return;
  vosd_starts_.push_back(now);
  vosd_ = SpawnLogged({kVosd}, "vosd");
}

// Records of /dev/kmsg are "priority,sequence,microseconds,flags;text\n KEY=value\n...".
void Init::ReadKernelLog() {
  std::string text;
  char record[8192];
  for (;;) {
    const ssize_t size = read(kernel_log_.get(), record, sizeof(record));
    if (size < 0 && (errno == EPIPE || errno == EINTR)) continue;  // EPIPE: records were lost
    if (size <= 0) break;
    const std::string_view all(record, static_cast<std::size_t>(size));
    const std::size_t start = all.find(';');
    if (start == all.npos) continue;
    std::size_t comma = all.find(',');
    comma = all.find(',', comma + 1);
    std::uint64_t time = 0;
    std::from_chars(all.data() + comma + 1, all.data() + start, time);
    const std::string_view line = all.substr(start + 1, all.find('\n', start) - start - 1);
    text += std::format("[{:5}.{:06}] {}\n", time / 1'000'000, time % 1'000'000, line);
    if (text.size() > kMaxPayload / 2) {
      Send(FrameType::kLog, std::string("primary") + '\0' + text);
      text.clear();
    }
  }
  if (!text.empty()) Send(FrameType::kLog, std::string("primary") + '\0' + text);
}

void Init::ReadConsoleLogs() {
  alignas(inotify_event) char events[4096];
  while (read(console_changes_.get(), events, sizeof(events)) > 0) {
  }
  FollowConsoleLogs();
}

// xenconsoled calls the log of domain D guest-D.log; vm-run gets it as D.
void Init::FollowConsoleLogs() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(kConsoleLogs, error)) {
    std::string name = entry.path().stem().native();
    if (name.starts_with(kGuestLogPrefix)) name.erase(0, kGuestLogPrefix.size());
    std::streamoff& end = console_log_ends_[name];
    std::ifstream file(entry.path(), std::ios::binary);
    file.seekg(end);
    char buffer[16384];
    while (file.read(buffer, sizeof(buffer)), file.gcount() > 0) {
      std::string payload = name + '\0';
      payload.append(buffer, static_cast<std::size_t>(file.gcount()));
      Send(FrameType::kLog, payload);
      end += file.gcount();
    }
  }
}

void Init::ReadPort() {
  char buffer[kMaxPayload];
  const ssize_t size = read(port_.get(), buffer, sizeof(buffer));
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (size <= 0) PowerOff();
  from_host_.Append({buffer, static_cast<std::size_t>(size)});
  while (const std::optional<Frame> frame = from_host_.Next()) HandleFrame(*frame);
  if (from_host_.broken()) Fail("vm-run sent nonsense");
}

void Init::HandleFrame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kArgument:
      if (job_command_.size() < kMaxArguments) job_command_.push_back(frame.payload);
      return;
    case FrameType::kFiles: {
      if (!job_files_) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) Fail(std::format("pipe: {}", std::strerror(errno)));
        FileDescriptor from(ends[0]);
        job_files_ = FileDescriptor(ends[1]);
        job_files_tar_ = Spawn({"tar", "-xf", "-", "-C", kJobDirectory}, from.get(), STDERR_FILENO,
                               STDERR_FILENO);
      }
      if (!WriteAll(job_files_.get(), frame.payload)) Fail("the job's files cannot be unpacked");
      return;
    }
    case FrameType::kStart:
      if (frame.payload.size() == sizeof(WindowSize)) {
        std::memcpy(&job_window_.emplace(), frame.payload.data(), sizeof(WindowSize));
      }
      job_files_.Reset();
      job_complete_ = true;
      return;
    case FrameType::kInput:
      if (job_terminal_) WriteAll(job_terminal_.get(), frame.payload);
      return;
    case FrameType::kWindowSize:
      if (job_terminal_ && frame.payload.size() == sizeof(WindowSize)) {
        WindowSize size;
        std::memcpy(&size, frame.payload.data(), sizeof(size));
        const winsize applied{size.rows, size.columns, 0, 0};
        ioctl(job_terminal_.get(), TIOCSWINSZ, &applied);
      }
      return;
    case FrameType::kStop:
      StopJob();
      return;
    default:
      return;
  }
}

void Init::StartToolstack() {
  const std::string programs = kXenPrograms;
  // xenstored leaves its parent at once and lets go of its output when it takes connections.
  SpawnLogged({programs + "xenstored", "--pid-file", "/run/xen/xenstored.pid"}, "toolstack");
  if (!ServeUntil([this] { return log_pipes_.empty(); }, Clock::now() + kToolstackLimit)) {
    Fail("xenstored does not start");
  }
  if (!RunLogged({programs + "xen-init-dom0"}, "toolstack")) Fail("xen-init-dom0 failed");
  SpawnLogged(
      {programs + "xenconsoled", "-i", "--log=guest", std::string("--log-dir=") + kConsoleLogs},
      "toolstack");
}

// Xen starts with vCPU N of the primary on processor N; those from 1 on belong to the service
// domains, one unless vm-run says more.
void Init::LeaveProcessorsToDomains() {
  long service_cpus = 1;
  const std::string option = KernelOption("virtuos.service_cpus");
  std::from_chars(option.data(), option.data() + option.size(), service_cpus);
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  for (long cpu = 1; cpu < cpus; ++cpu) {
    if (!RunLogged({std::string(kXenPrograms) + "xl", "vcpu-pin", "0", std::to_string(cpu),
                    std::to_string(cpu + service_cpus)},
                   "toolstack")) {
      Fail(std::format("vCPU {} of the primary cannot be moved", cpu));
    }
  }
}

void Init::StartDomains() {
  if (KernelOption("virtuos.domains") == "none") return;
  std::error_code error;
  if (KernelOption("virtuos.network") == "pvh") {
    fs::copy_file(kPvhNetworkConfig, kNetworkConfig, fs::copy_options::overwrite_existing, error);
    if (error) Fail(std::format("{}: {}", kPvhNetworkConfig, error.message()));
  }
  if (access(kVosd, X_OK) != 0) Fail("the primary's image has no vosd: run make");

  const fs::path state = kStateDirectory;
  state_changes_ = FileDescriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_add_watch(state_changes_.get(), state.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO);
  Watch(state_changes_.get(), [this] {
    alignas(inotify_event) char events[4096];
    while (read(state_changes_.get(), events, sizeof(events)) > 0) {
    }
    MountStorage();
  });
  vosd_ = SpawnLogged({kVosd}, "vosd");
  const bool told = ServeUntil(
      [&] {
        return children_[vosd_].exited || access((state / "ready").c_str(), F_OK) == 0 ||
               access((state / "failed").c_str(), F_OK) == 0;
      },
      Clock::now() + kDomainsLimit);
  if (access((state / "ready").c_str(), F_OK) == 0) return;
  const std::string reason = ReadSmallFile(state / "failed");
  if (!reason.empty()) Fail(std::format("a service domain failed: {}", reason));
  if (told) Fail("vosd ended before the service domains were connected");
  Fail(std::format("the service domains did not connect within {}", kDomainsLimit));
}

void Init::MountStorage() {
  const bool wanted =
      storage_mount_ < 0 || (children_[storage_mount_].exited && !StorageIsMounted());
  const std::string ready = "\n" + ReadSmallFile(fs::path(kStateDirectory) / "ready") + "\n";
  const bool served =
      ready.contains("\nstorage serving\n") || ready.contains("\nstorage read-only\n");
  if (!wanted || !served) return;
  storage_mount_ = SpawnLogged({"mount", "-a", "-t", "vosfs"}, "mount");
}

bool Init::StorageIsMounted() {
  if (storage_mount_ < 0) return false;
  const ExitedChild& mount = children_[storage_mount_];
  return mount.exited && WIFEXITED(mount.wait_status) && WEXITSTATUS(mount.wait_status) == 0;
}

// The boot waits for the mount, but not for long; without it, it goes on unless vm-run says that it
// must not.
void Init::CheckStorage() {
  MountStorage();  // unless the change of state that tells so is noticed already
  if (storage_mount_ >= 0) {
    ServeUntil([this] { return children_[storage_mount_].exited; }, Clock::now() + kMountLimit);
  }
  const bool needed = KernelOption("virtuos.needs") == "storage" &&
                      KernelOption("virtuos.storage") != "none" &&
                      KernelOption("virtuos.domains") != "none";
  if (!needed || StorageIsMounted()) return;
  if (storage_mount_ >= 0) Fail("the storage domain's files cannot be mounted");
  Fail(std::format("the storage domain does not serve its disk: {}",
                   ReadSmallFile(fs::path(kStateDirectory) / "ready")));
}

// So that its disk is in order when the machine ends. vosd would make another one.
void Init::ShutStorageDown() {
  if (vosd_ < 0 || KernelOption("virtuos.keeps") != "storage") return;
  shutting_down_ = true;
  kill(vosd_, SIGTERM);
  ServeUntil([this] { return children_[vosd_].exited; }, Clock::now() + kToolstackLimit);
  const pid_t shutdown =
      SpawnLogged({std::string(kXenPrograms) + "xl", "shutdown", "-w", "storage"}, "toolstack");
  ServeUntil([&] { return children_[shutdown].exited; }, Clock::now() + kShutdownLimit);
}

void Init::StartJob() {
  if (job_files_tar_ >= 0) {
    ServeUntil([this] { return children_[job_files_tar_].exited; }, Clock::now() + kTarLimit);
    if (children_[job_files_tar_].wait_status != 0) Fail("the job's files cannot be unpacked");
  }
  if (chdir(kJobDirectory) != 0) Fail(std::format("{}: {}", kJobDirectory, std::strerror(errno)));
  setenv("OUT", kOutputDirectory, 1);

  if (job_window_) {
    setenv("TERM", "xterm-256color", 1);
    int terminal, job_side;
    const winsize size{job_window_->rows, job_window_->columns, 0, 0};
    if (openpty(&terminal, &job_side, nullptr, nullptr, &size) != 0) {
      Fail(std::format("no terminal: {}", std::strerror(errno)));
    }
    job_terminal_ = FileDescriptor(terminal);
    FileDescriptor closed_here(job_side);
    fcntl(terminal, F_SETFD, FD_CLOEXEC);
    fcntl(job_side, F_SETFD, FD_CLOEXEC);
    fcntl(terminal, F_SETFL, O_NONBLOCK);
    job_ = Spawn(job_command_, job_side, job_side, job_side);
    Watch(terminal, [this] { ReadJobOutput(job_terminal_, FrameType::kStdout); });
    return;
  }
  int out[2], error[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0) {
    Fail(std::format("pipe: {}", std::strerror(errno)));
  }
  FileDescriptor out_end(out[1]), error_end(error[1]);
  FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  job_stdout_ = FileDescriptor(out[0]);
  job_stderr_ = FileDescriptor(error[0]);
  // Only this side: the job's ends stay blocking.
  fcntl(job_stdout_.get(), F_SETFL, O_NONBLOCK);
  fcntl(job_stderr_.get(), F_SETFL, O_NONBLOCK);
  job_ = Spawn(job_command_, nothing.get(), out_end.get(), error_end.get());
  Watch(job_stdout_.get(), [this] { ReadJobOutput(job_stdout_, FrameType::kStdout); });
  Watch(job_stderr_.get(), [this] { ReadJobOutput(job_stderr_, FrameType::kStderr); });
}

void Init::ReadJobOutput(FileDescriptor& from, FrameType type) {
  char buffer[kMaxPayload];
  const ssize_t size = read(from.get(), buffer, sizeof(buffer));
  if (size > 0) {
    Send(type, {buffer, static_cast<std::size_t>(size)});
  } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
    Unwatch(from.get());
    from.Reset();
  }
}

void Init::StopJob() {
  if (job_ < 0 || children_[job_].exited) return;
  kill(-job_, SIGTERM);
  job_kill_time_ = Clock::now() + kStopGrace;
}

void Init::SendOutputDirectory() {
  if (fs::is_empty(kOutputDirectory)) return;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  FileDescriptor from(ends[0]);
  FileDescriptor into(ends[1]);
  FileDescriptor nothing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  bool ended = false;
  Spawn({"tar", "-C", kOutputDirectory, "-cf", "-", "."}, nothing.get(), into.get(), STDERR_FILENO);
  into.Reset();
  Watch(from.get(), [&] {
    char buffer[kMaxPayload];
    const ssize_t size = read(from.get(), buffer, sizeof(buffer));
    if (size > 0) {
      Send(FrameType::kOutput, {buffer, static_cast<std::size_t>(size)});
    } else if (size == 0 || errno != EINTR) {
      ended = true;
    }
  });
  ServeUntil([&] { return ended; }, Clock::now() + kTarLimit);
  Unwatch(from.get());
}

void Init::Run() {
  Send(FrameType::kBooted, "");
  if (OnXen()) {
    StartToolstack();
    LeaveProcessorsToDomains();
    StartDomains();
    CheckStorage();
  }
  ServeUntil([this] { return job_complete_; }, Clock::now() + kToolstackLimit);
  if (!job_complete_ || job_command_.empty()) Fail("vm-run sent no job");
  Send(FrameType::kReady, "");
  StartJob();

  const auto exited = [this] { return children_[job_].exited; };
  ServeUntil([&] { return exited() || job_kill_time_; }, std::nullopt);
  if (!ServeUntil(exited, job_kill_time_)) {
    kill(-job_, SIGKILL);
    ServeUntil(exited, std::nullopt);
  }
  // Daemons of the job may hold its output open: what the pipes hold now is all that counts.
  for (auto [from, type] : {std::pair{&job_stdout_, FrameType::kStdout},
                            {&job_stderr_, FrameType::kStderr},
                            {&job_terminal_, FrameType::kStdout}}) {
    int available = 0;
    for (int reads = 0; reads < kMaxLastReads && *from &&
                        ioctl(from->get(), FIONREAD, &available) == 0 && available > 0;
         ++reads) {
      ReadJobOutput(*from, type);
    }
  }
  const int status = children_[job_].wait_status;
  Send(FrameType::kExit,
       std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
  SendOutputDirectory();
  sync();
  ShutStorageDown();
  ReadKernelLog();
  FollowConsoleLogs();
  Send(FrameType::kDone, "");
  WaitForEnd();
}

}  // namespace
}  // namespace vos::vm

int main() {
  vos::vm::PrepareSystem();
  vos::FileDescriptor port = vos::vm::OpenPort();
  if (!port) vos::vm::Die("vm-run's virtio-serial port is missing");
  vos::vm::Init(std::move(port)).Run();
}
