// SPDX-License-Identifier: Apache-2.0
// First process of the storage domain: finds the disk, prepares it if that was asked for, checks
// and mounts it, keeps the daemon running, and reports in xenstore how far it is:
//   data/storage/state     no-disk | unprepared | foreign | checking | corrupt | serving | read-only
//   data/storage/detail    for a person
//   data/storage/restarts  how often the daemon was started again
// The kernel command line may have virtuos.prepare=1: a disk without any known signature is made
// ready. No other disk is ever written to before it is found to be ours.
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <format>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "service-domains/common/process_one.h"
#include "service-domains/common/xenstore_client.h"
#include "service-domains/storage/disk.h"
#include "service-domains/storage/fault_layer.h"
#include "service-domains/storage/unnamed_files.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {
namespace {

using service::Log;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr char kMountPoint[] = "/disk";
constexpr char kExport[] = "/disk/export";

// Before a daemon is started again: doubled each time, and halved for each such time that one ran,
// so that what ends at once again and again waits long, and what served a while does not.
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{5000};
constexpr milliseconds kPauseHalves{500};

// The node of a disk is there a moment before the disk can be opened, and nothing tells when it can.
constexpr milliseconds kOpenPause{100};
constexpr milliseconds kRetellPause{1000};
constexpr int kMaxOpenAttempts = 50;

// e2fsck(8): bits of its exit status. Errors were corrected, and the system should be rebooted; or
// were left. Above these are failures of e2fsck itself.
constexpr int kStartOver = 2;
constexpr int kNotCorrected = 4;
constexpr int kMaxChecks = 2;

// Up to this size all of the disk is written when it is prepared, so that nothing is done later in
// the background.
constexpr std::uint64_t kQuickSectors = (std::uint64_t{4} << 30) / kSectorSize;

bool OnCommandLine(const char* word) {
  std::ifstream file("/proc/cmdline");
  for (std::string found; file >> found;) {
    if (found == word) return true;
  }
  return false;
}

bool FaultsAllowed() { return access("/sys/module/virtuos/parameters/faults", F_OK) == 0; }

std::string SizeText(const Disk& disk) {
  return std::format("{}, {} MiB", disk.name, disk.sectors * kSectorSize >> 20);
}

class Domain {
 public:
  Domain() : prepare_(OnCommandLine("virtuos.prepare=1")) {
    devices_ = FileDescriptor(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (inotify_add_watch(devices_.get(), "/dev", IN_CREATE | IN_DELETE) < 0) {
      Log("/dev", std::strerror(errno));
    }
    if (FaultsAllowed()) {
      service::XenstoreWrite(kOrderNode, "");
      orders_ = service::XenstoreWatch::Create(kOrderNode);
    }
  }

  [[noreturn]] void Run() {
    service::Signals signals([this] { BeforeEnd(); });
    OnDevices();
    boot_untold_ = true;
    if (const std::string failure = Tell(); !failure.empty()) Log("xenstore", failure);
    while (true) {
      pollfd fds[] = {
          {signals.descriptor(), POLLIN, 0},
          {devices_.get(), POLLIN, 0},
          {errors_.get(), POLLIN, 0},
          {orders_ ? orders_->descriptor() : -1, POLLIN, 0},
      };
      poll(fds, std::size(fds), Remaining());
      for (const auto& child : signals.Handle()) OnEnded(child);
      if (fds[1].revents != 0) {
        DrainDevices();
        OnDevices();
      }
      if (fds[2].revents != 0) OnErrors();
      if (fds[3].revents != 0) OnOrder();
      if (timer_ && Clock::now() >= *timer_) {
        timer_.reset();
        OnTimer();
      }
      if (retell_ && Clock::now() >= *retell_) Tell();
    }
  }

 private:
  enum class Phase {
    kIdle,       // nothing can be done before another disk comes
    kOpening,    // until the disk can be opened
    kPreparing,  // mke2fs runs
    kChecking,   // e2fsck runs
    kServing,    // mounted; the daemon runs or waits to be started again
  };

  static constexpr char kOrderNode[] = "data/storage/fault";

  void Report(const char* state, const std::string& detail) {
    if (state_ == state && detail_ == detail) return;
    state_ = state;
    detail_ = detail;
    state_untold_ = true;
    Log(state, detail);
    if (const std::string failure = Tell(); !failure.empty()) Log("xenstore", failure);
  }

  // Tells the primary what it has not been told yet; what fails, because xenstored is slow or dead,
  // is tried again a while later. Returns why it failed.
  std::string Tell() {
    std::string failure;
    if (state_untold_) {
      // Who watches the state finds its detail there.
      failure = service::XenstoreWrite("data/storage/detail", detail_);
      if (failure.empty()) failure = service::XenstoreWrite("data/storage/state", state_);
      state_untold_ = !failure.empty();
    }
    if (boot_untold_ && failure.empty()) {
      failure = service::XenstoreWrite(service::kBootedNode, "1");
      boot_untold_ = !failure.empty();
    }
    retell_.reset();
    if (!failure.empty()) retell_ = Clock::now() + kRetellPause;
    return failure;
  }

  int Remaining() const {
    const auto next = timer_ && retell_ ? std::min(timer_, retell_) : timer_ ? timer_ : retell_;
    if (!next) return -1;
    const auto left = std::chrono::ceil<milliseconds>(*next - Clock::now());
    return static_cast<int>(std::max(left, milliseconds(0)).count());
  }

  void DrainDevices() {
    char events[4096];
    while (read(devices_.get(), events, sizeof(events)) > 0) {
    }
  }

  void OnDevices() {
    const auto disk = FindDisk();
    if (disk == disk_ && (disk || state_ != nullptr)) return;
    if (disk_) Leave();
    disk_ = disk;
    open_attempts_ = 0;
    checks_ = 0;
    if (!disk) return Report("no-disk", "waiting for an NVMe or virtio disk");
    Begin();
  }

  // The disk is gone, or is another one.
  void Leave() {
    if (child_ > 0) kill(child_, SIGKILL);
    child_ = 0;
    timer_.reset();
    errors_.Reset();
    layer_.reset();
    if (phase_ == Phase::kServing) umount2(kMountPoint, MNT_DETACH);
    phase_ = Phase::kIdle;
  }

  void Begin() {
    phase_ = Phase::kIdle;
    const std::string path = "/dev/" + disk_->name;
    const Examination found = Examine(path, SignatureByBlkid);
    const std::string detail = SizeText(*disk_) + (found.detail.empty() ? "" : ", " + found.detail);
    switch (found.contents) {
      case Contents::kOurs:
        return Check();
      case Contents::kBlank:
        if (prepare_) return Prepare();
        return Report("unprepared", detail);
      case Contents::kForeign:
        return Report("foreign", detail);
      case Contents::kDamaged:
        return Report("corrupt", detail);
      case Contents::kAbsent:
        if (++open_attempts_ > kMaxOpenAttempts) return Report("no-disk", detail);
        phase_ = Phase::kOpening;
        timer_ = Clock::now() + kOpenPause;
        return;
    }
  }

  void Prepare() {
    // Once only: what comes back blank after this is not to be formatted in a circle.
    prepare_ = false;
    if (disk_->read_only) {
      return Report("unprepared", SizeText(*disk_) + ", which cannot be written to");
    }
    Report("checking", SizeText(*disk_) + ", being prepared");
    const char* lazy = disk_->sectors <= kQuickSectors ? "lazy_itable_init=0,lazy_journal_init=0"
                                                       : "lazy_itable_init=1,lazy_journal_init=1";
    phase_ = Phase::kPreparing;
    child_ = service::StartProgram({"/sbin/mke2fs", "-q", "-t", "ext4", "-j", "-b",
                                    std::to_string(kBlockSize), "-m", "0", "-E", lazy, "-L", kLabel,
                                    "/dev/" + disk_->name});
  }

  void Check() {
    const bool layered = OnCommandLine("virtuos.fault_layer=1") && FaultsAllowed();
    if (layered && !layer_) {
      auto layer =
          FaultLayer::Create("faults-" + disk_->sequence, "/dev/" + disk_->name, disk_->sectors);
      if (!layer) Log("fault layer", std::strerror(layer.error()));
      if (layer) layer_ = std::move(*layer);
    }
    device_ = layer_ ? layer_->name() : disk_->name;
    // Without writing nothing can be put right.
    if (disk_->read_only) return Serve();
    Report("checking", SizeText(*disk_));
    phase_ = Phase::kChecking;
    ++checks_;
    child_ = service::StartProgram({"/sbin/e2fsck", "-p", "/dev/" + device_});
  }

  void Serve() {
    mkdir(kMountPoint, 0755);
    bool read_only = disk_->read_only;
    const auto mount_it = [this](unsigned long flags, const char* options) {
      return mount(("/dev/" + device_).c_str(), kMountPoint, "ext4",
                   MS_NODEV | MS_NOSUID | MS_NOEXEC | flags, options) == 0;
    };
    bool mounted = mount_it(read_only ? MS_RDONLY : 0, "errors=remount-ro");
    // A journal that would have to be replayed, on a disk that cannot be written to.
    if (!mounted && read_only && errno == EROFS) mounted = mount_it(MS_RDONLY, "noload");
    if (!mounted) {
      phase_ = Phase::kIdle;
      return Report("corrupt", SizeText(*disk_) + ", cannot be mounted: " + std::strerror(errno));
    }
    if (!read_only) {
      mkdir(kExport, 0755);
      if (auto begun = UnnamedFiles::Begin(kMountPoint); !begun)
        Log("files without a name", std::strerror(begun.error()));
    }
    phase_ = Phase::kServing;
    WatchErrors();
    pause_ = kFirstPause;
    restarts_ = 0;
    ReportServing();
    StartDaemon();
  }

  void ReportServing() {
    if (disk_->read_only) return Report("read-only", SizeText(*disk_) + ", a read-only disk");
    Report("serving", SizeText(*disk_));
  }

  // ext4 writes nothing more after the first error (errors=remount-ro), which no flag of the mount shows.
  void WatchErrors() {
    errors_ = FileDescriptor(
        fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY));
    if (errors_.get() < 0 || fanotify_mark(errors_.get(), FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
                                           FAN_FS_ERROR, AT_FDCWD, kMountPoint) != 0) {
      Log("errors of the file system cannot be watched", std::strerror(errno));
      errors_.Reset();
    }
  }

  void OnErrors() {
    errors_.Reset();
    Report("read-only", SizeText(*disk_) + ", after an error of the disk or on it");
  }

  void StartDaemon() {
    daemon_started_ = Clock::now();
    child_ = service::StartProgram({"/sbin/storage-daemon", kMountPoint, kExport});
    if (child_ <= 0) RestartLater();
  }

  void RestartLater() {
    for (auto ran = Clock::now() - daemon_started_; ran >= kPauseHalves && pause_ > kFirstPause;
         ran -= kPauseHalves)
      pause_ = std::max(pause_ / 2, kFirstPause);
    timer_ = Clock::now() + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
    service::XenstoreWrite("data/storage/restarts", std::to_string(++restarts_));
  }

  void OnEnded(const service::Signals::Ended& ended) {
    if (ended.pid != child_) return;
    child_ = 0;
    switch (phase_) {
      case Phase::kPreparing:
        if (ended.status != 0) {
          phase_ = Phase::kIdle;
          return Report("unprepared", std::format("{}, mke2fs failed with status {}",
                                                  SizeText(*disk_), ended.status));
        }
        return Begin();
      case Phase::kChecking:
        return OnChecked(ended.status);
      case Phase::kServing:
        Log("daemon", std::format("ended with status {}", ended.status));
        return RestartLater();
      case Phase::kIdle:
      case Phase::kOpening:
        return;
    }
  }

  void OnChecked(int status) {
    if (status >= kNotCorrected) {
      phase_ = Phase::kIdle;
      return Report("corrupt",
                    std::format("{}, e2fsck -p ended with status {}", SizeText(*disk_), status));
    }
    // What it corrected may matter to what it had read before.
    if ((status & kStartOver) != 0 && checks_ < kMaxChecks) return Check();
    Serve();
  }

  void OnTimer() {
    if (phase_ == Phase::kOpening) return Begin();
    if (phase_ == Phase::kServing && child_ == 0) StartDaemon();
  }

  void BeforeEnd() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (phase_ != Phase::kServing || umount2(kMountPoint, 0) == 0) return;
    // The primary has files open. Frozen, the file system is as after unmounting it.
    const FileDescriptor mounted(open(kMountPoint, O_RDONLY | O_CLOEXEC));
    if (!mounted || ioctl(mounted.get(), FIFREEZE, 0) != 0) sync();
  }

  // Orders of a test, in data/storage/fault; what came of one is in data/storage/fault-done.
  //   forget-cache           what the domain has cached of the disk
  //   fail WHAT FILE         where the data of that file of the export are on the disk
  //   fail WHAT FIRST COUNT  there, in sectors of 512 bytes
  //   fail nothing
  //   hold                   the disk answers nothing until the next order to fail
  // WHAT is everything, for which the cache is dropped, or writes: what is cached can be read still.
  // Failing and holding need virtuos.fault_layer=1.
  void OnOrder() {
    orders_->Drain();
    const std::string order = service::XenstoreRead(kOrderNode);
    if (order.empty()) return;
    const Outcome<void> outcome = Obey(order);
    service::XenstoreWrite("data/storage/fault-done",
                           order + ": " + (outcome ? "done" : std::strerror(outcome.error())));
  }

  Outcome<void> Obey(const std::string& order) {
    if (phase_ != Phase::kServing) return Refuse(ENODEV);
    std::istringstream words(order);
    std::string word;
    words >> word;
    if (word == "forget-cache") {
      sync();
      service::SetKernelParameter("/proc/sys/vm/drop_caches", "3");
      return {};
    }
    if (!layer_) return Refuse(EINVAL);
    if (word == "hold") return layer_->Hold();
    if (word != "fail") return Refuse(EINVAL);
    words >> word;
    if (word == "nothing") return layer_->Fail({});
    if (word != "everything" && word != "writes") return Refuse(EINVAL);
    const auto ranges = RangesOf(words);
    if (!ranges) return Refuse(ranges.error());
    if (auto failing = layer_->Fail(*ranges); !failing) return failing;
    if (word == "everything") service::SetKernelParameter("/proc/sys/vm/drop_caches", "1");
    return {};
  }

  static Outcome<std::vector<Range>> RangesOf(std::istringstream& words) {
    Range range;
    const auto place = words.tellg();
    if (words >> range.first >> range.count) return std::vector{range};
    words.clear();
    words.seekg(place);
    std::string name;
    words >> name;
    const FileDescriptor file(open((kExport + ("/" + name)).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return Refuse();
    return RangesOfFile(file.get());
  }

  bool prepare_;
  FileDescriptor devices_;  // inotify
  FileDescriptor errors_;   // of the mounted file system
  std::optional<service::XenstoreWatch> orders_;

  Phase phase_ = Phase::kIdle;
  std::optional<Disk> disk_;
  std::optional<FaultLayer> layer_;
  std::string device_;  // block device that is mounted
  pid_t child_ = 0;     // mke2fs, e2fsck or the daemon; 0: none runs
  std::optional<Clock::time_point> timer_;
  int open_attempts_ = 0;
  int checks_ = 0;
  Clock::time_point daemon_started_;
  milliseconds pause_ = kFirstPause;
  unsigned restarts_ = 0;

  const char* state_ = nullptr;  // as reported last
  std::string detail_;
  bool state_untold_ = false;
  bool boot_untold_ = false;  // that the domain waits for what comes
  std::optional<Clock::time_point> retell_;
};

}  // namespace
}  // namespace vos::storage

int main() {
  vos::service::PrepareSystem();
  vos::storage::Domain().Run();
}
