// SPDX-License-Identifier: Apache-2.0
// vosd: starts the service domains, connects them with the primary, and brings failed ones back.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <format>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "tools/common/supervisor_state.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/common/version.h"
#include "tools/vosd/event_loop.h"
#include "tools/vosd/hypervisor.h"
#include "tools/vosd/log.h"
#include "tools/vosd/network_keeper.h"
#include "tools/vosd/network_namespace.h"
#include "tools/vosd/settings.h"
#include "tools/vosd/supervisor.h"
#include "tools/vosd/xenstore.h"

namespace vos {
namespace {

// Pages that a dead domain still maps are freed once it lets go, by the kernel's default ten a second:
// a user session alone has more than a hundred.
constexpr char kDeferredGrantsFile[] = "/sys/module/grant_table/parameters/free_per_iteration";
constexpr unsigned kDeferredGrants = 4096;

void HurryDeferredGrants(const Log& log) {
  std::ofstream file(kDeferredGrantsFile);
  if (!(file << kDeferredGrants << std::flush)) {
    log.Write(std::format("{} cannot be written; memory of dead domains returns slowly",
                          kDeferredGrantsFile));
  }
}

// Toolstack commands that a vosd which was killed had begun go on without it. They have this
// descriptor too, and with it the lock; what they do to a domain must be over before anything is done
// about it here.
constexpr char kChildrenLockFile[] = "/run/virtuos/children";
constexpr std::chrono::milliseconds kChildrenLimit{60'000}, kChildrenPause{50};

FileDescriptor AwaitForeignChildren(const Log& log) {
  FileDescriptor lock(open(kChildrenLockFile, O_RDWR | O_CREAT, 0600));
  const auto end = std::chrono::steady_clock::now() + kChildrenLimit;
  bool said = false;
  while (lock && flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
    if (std::chrono::steady_clock::now() > end) {
      log.Write("commands of another vosd still run, going on");
      break;
    }
    if (!std::exchange(said, true)) log.Write("waiting for commands of another vosd");
    std::this_thread::sleep_for(kChildrenPause);
  }
  return lock;
}

// xenstored's process, readable when it has ended; nothing: it runs in a domain of its own.
constexpr char kXenStoreServerFile[] = "/run/xen/xenstored.pid";

FileDescriptor XenStoreServer() {
  const auto text = ReadTextFile(kXenStoreServerFile);
  const auto pid = text ? ParseDecimal<pid_t>(Trim(*text)) : std::nullopt;
  return FileDescriptor(pid ? static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)) : -1);
}

// One supervisor at a time: the descriptor holds the lock until the process ends.
Result<FileDescriptor> TakeLock() {
  if (mkdir(kRunDirectory, 0755) < 0 && errno != EEXIST) return FailErrno(kRunDirectory);
  FileDescriptor lock(open(kLockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return FailErrno(kLockFile);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
    const auto pid = ReadTextFile(kLockFile);
    return Fail("another vosd runs already, process " + pid.value_or("unknown"), errno);
  }
  const std::string pid = std::to_string(getpid());
  if (ftruncate(lock.get(), 0) < 0 || write(lock.get(), pid.data(), pid.size()) < 0) {
    return FailErrno(kLockFile);
  }
  return lock;
}

Result<void> Supervise(const std::string& directory, const Log& log) {
  auto loop = EventLoop::Create();
  if (!loop) return std::unexpected(loop.error());

  // Before libxenstore starts its thread, which inherits the mask.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  const FileDescriptor signals(signalfd(-1, &ending, SFD_CLOEXEC));
  if (!signals) return FailErrno("signalfd");
  if (auto added = loop->Add(signals.get(),
                             [&] {
                               log.Write("asked to end; the domains go on without a supervisor");
                               loop->Stop();
                             });
      !added) {
    return added;
  }

  auto settings = ReadSettings(directory);
  if (!settings) return std::unexpected(settings.error());
  auto hypervisor = Hypervisor::Open();
  if (!hypervisor) return std::unexpected(hypervisor.error());
  HurryDeferredGrants(log);
  const FileDescriptor children = AwaitForeignChildren(log);
  auto store = XenStore::Open();
  if (!store) return std::unexpected(store.error());
  // Without it no domain can be started, none is seen to end, and there is no other one.
  const FileDescriptor server = XenStoreServer();
  bool server_ended = false;
  if (server) {
    if (auto added = loop->Add(server.get(),
                               [&] {
                                 server_ended = true;
                                 loop->Stop();
                               });
        !added) {
      return added;
    }
  }
  const auto network = NetworkNamespace::Leave();
  if (!network) return std::unexpected(network.error());

  auto supervisor =
      Supervisor::Create({*loop, log, *store, *hypervisor, *network}, std::move(*settings));
  if (!supervisor) return std::unexpected(supervisor.error());
  (*supervisor)->Start();
  if (auto ran = loop->Run(); !ran) return ran;
  if (server_ended) {
    return Fail("xenstored has ended: no domain can be started or restarted until the machine is");
  }
  return {};
}

int Main(const std::string& directory) {
  const auto lock = TakeLock();
  if (!lock) {
    std::cerr << "vosd: " << lock.error().message << "\n";
    return 1;
  }
  unlink(kReadyFile);
  unlink(kFailedFile);
  const auto log = Log::Open(kLogFile);
  if (!log) {
    std::cerr << "vosd: " << log.error().message << "\n";
    return 1;
  }
  log->Write(std::format("vosd {} starts", kVersion));
  const auto supervised = Supervise(directory, *log);
  if (supervised) return 0;
  log->Write("vosd ends: " + supervised.error().message);
  if (const auto written = WriteTextFile(kFailedFile, supervised.error().message + "\n");
      !written) {
    log->Write(written.error().message);
  }
  return 1;
}

}  // namespace
}  // namespace vos

int main(int argc, char** argv) {
  CLI::App app(
      "Starts VirtuOS's service domains, connects them with the primary domain, and brings failed "
      "ones\n"
      "back. Runs in the foreground until SIGTERM; the domains go on without it, and the next "
      "vosd\n"
      "takes them over. Tells what it does on standard error and in /run/virtuos/vosd.log, and "
      "the\n"
      "outcome of the start in /run/virtuos/ready or /run/virtuos/failed.",
      "vosd");
  std::string directory = "/etc/virtuos";
  app.add_option("--config-dir", directory,
                 "directory of the domains' xl configurations (*.cfg) and of vosd.conf")
      ->option_text("DIR [/etc/virtuos]");
  std::string keep_network;
  app.add_option("--keep-network", keep_network,
                 "only keep FILE up to date with the addresses and routes that programs set; vosd\n"
                 "starts this itself for a network domain")
      ->option_text("FILE");
  bool before_lease = false;
  app.add_flag("--before-lease", before_lease,
               "with --keep-network: DHCP has not answered yet; what changes is written later");
  app.add_flag("--foreground", "stay in the foreground; it always does");
  app.set_version_flag("--version", std::format("vosd {}", vos::kVersion));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!keep_network.empty()) {
    const auto kept = vos::KeepNetwork(keep_network, before_lease);
    if (!kept) std::cout << "the keeper ends: " << kept.error().message << std::endl;
    return kept ? 0 : 1;
  }
  return vos::Main(directory);
}
