// SPDX-License-Identifier: Apache-2.0
// vm-run: run a program in the primary domain of a freshly booted machine. See options.cc.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <filesystem>
#include <format>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/vm/command.h"
#include "tools/common/file_descriptor.h"
#include "tools/vm/job.h"
#include "tools/vm/machine.h"
#include "tools/vm/options.h"
#include "tools/vm/sandbox.h"
#include "tools/vm/session.h"

namespace vos::vm {
namespace {

namespace fs = std::filesystem;

using std::chrono::seconds;

// Limits of what happens before and after the machine runs.
constexpr unsigned kTurnLimitSeconds = 3 * 60 * 60;
constexpr seconds kImageLimit{1800};
constexpr seconds kQueryLimit{60};

// Of a sparse file.
constexpr std::uintmax_t kBlankDiskBytes = std::uintmax_t{1} << 30;

void Say(std::string_view text) {
  std::string line = std::format("vm-run: {}", text);
  if (!line.ends_with('\n')) line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// The only way to a machine: the holder of this lock runs one.
std::expected<FileDescriptor, std::string> TakeTurn(const fs::path& checkout) {
  const auto cache = CommandOutput({(checkout / "tools/cache-dir").native()}, kQueryLimit);
  if (!cache) return std::unexpected(cache.error());
  std::error_code error;
  fs::create_directories(*cache, error);
  const fs::path path = fs::path(*cache) / "vm-run.lock";
  FileDescriptor lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock) return std::unexpected(std::format("{}: {}", path.native(), std::strerror(errno)));
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    std::ifstream file(path);
    const std::string holder(std::istreambuf_iterator<char>(file), {});
    Say(std::format("waiting for the vm-run that is running (process {})", holder));
    // Without SA_RESTART the alarm ends the wait.
    struct sigaction on_alarm{};
    on_alarm.sa_handler = [](int) {};
    sigaction(SIGALRM, &on_alarm, nullptr);
    alarm(kTurnLimitSeconds);
    if (flock(lock.get(), LOCK_EX) != 0) return std::unexpected("the other vm-run does not end");
    alarm(0);
  }
  const std::string self = std::to_string(getpid());
  if (ftruncate(lock.get(), 0) != 0 ||
      pwrite(lock.get(), self.data(), self.size(), 0) != static_cast<ssize_t>(self.size())) {
    return std::unexpected(std::format("{}: {}", path.native(), std::strerror(errno)));
  }
  return lock;
}

std::expected<Program, std::string> MakeHostProgram(const fs::path& file, std::size_t number,
                                                    const fs::path& run) {
  const fs::path path = fs::absolute(file);
  if (access(path.c_str(), X_OK) != 0) {
    return std::unexpected(std::format("--host {}: {}", file.native(), std::strerror(errno)));
  }
  return Program{.command = {path},
                 .environment = {std::format("OUT={}", (run / "out").native())},
                 .directory = fs::current_path(),
                 .log = run / std::format("host-{}.log", number)};
}

Outcome Run(Options options, const fs::path& checkout) {
  const auto failed = [](std::string message) {
    return Outcome{kToolFailedStatus, std::move(message)};
  };
  for (const fs::path& disk : options.disks) {
    if (access(disk.c_str(), R_OK | W_OK) != 0) {
      return failed(std::format("--disk {}: {}", disk.native(), std::strerror(errno)));
    }
  }
  if (const fs::path& disk = options.storage_image;
      !disk.empty() && access(disk.c_str(), R_OK | W_OK) != 0) {
    return failed(std::format("--storage {}: {}", disk.native(), std::strerror(errno)));
  }
  const auto turn = TakeTurn(checkout);
  if (!turn) return failed(turn.error());

  const fs::path run = checkout / "build/vm/last";
  std::error_code error;
  fs::remove_all(run, error);
  fs::create_directories(run / "out", error);
  if (error) return failed(std::format("{}: {}", run.native(), error.message()));

  const auto image = CommandOutput({(checkout / "tools/image/primary-image").native(), "--config",
                                    options.config, "--packages", options.packages},
                                   kImageLimit);
  if (!image) return failed("no root image: " + image.error());
  fs::path storage = options.storage_image;
  if (options.storage == StorageDisk::kFresh) {
    const auto made =
        CommandOutput({(checkout / "tools/image/storage-image").native()}, kImageLimit);
    if (!made) return failed("no disk for the storage domain: " + made.error());
    storage = *made;
  }
  if (options.storage == StorageDisk::kBlank) {
    storage = run / "blank.img";
    std::ofstream(storage).flush();
    fs::resize_file(storage, kBlankDiskBytes, error);
    if (error) return failed(std::format("{}: {}", storage.native(), error.message()));
  }
  const auto files = FindBootFiles(checkout, options, *image, storage);
  if (!files) return failed(files.error());
  auto qemu = FindQemu(checkout);
  if (!qemu) return failed(qemu.error());
  const fs::path archive = run / "job.tar";
  if (const auto packed = PackJob(options, run, archive); !packed) return failed(packed.error());
  std::ofstream(run / "resolv.conf") << "nameserver 127.0.0.1\n";

  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return failed(std::format("socketpair: {}", std::strerror(errno)));
  }
  FileDescriptor ours(ends[0]), machines(ends[1]);
  std::vector<Program> programs;
  for (const fs::path& file : options.host) {
    auto program = MakeHostProgram(file, programs.size() + 1, run);
    if (!program) return failed(program.error());
    programs.push_back(*std::move(program));
  }
  auto machine = MakeMachine(options, *files, *std::move(qemu), run, machines.get());
  if (!machine) return failed(machine.error());
  programs.push_back(*std::move(machine));

  sigset_t handled;
  sigemptyset(&handled);
  for (const int signal : kSessionSignals) sigaddset(&handled, signal);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  signal(SIGPIPE, SIG_IGN);

  Outcome outcome;
  {
    auto sandbox = Sandbox::Start(programs, run / "resolv.conf");
    if (!sandbox) return failed(sandbox.error());
    machines.Reset();
    outcome = RunSession(options, *sandbox,
                         {.guest = std::move(ours),
                          .machine = programs.size() - 1,
                          .run = run,
                          .job_archive = archive});
  }
  fs::remove(archive, error);
  if (const fs::path output = run / kOutputArchive; fs::exists(output)) {
    const auto unpacked = CommandOutput(
        {"tar", "-C", run / "out", "--no-same-owner", "--no-same-permissions", "-xf", output},
        kTarLimit);
    if (!unpacked && outcome.message.empty()) {
      outcome = failed("unpacking what FILE left in $OUT: " + unpacked.error());
    }
    fs::remove(output, error);
  }
  return outcome;
}

}  // namespace
}  // namespace vos::vm

int main(int argc, char** argv) {
  const auto options = vos::vm::ParseOptions(argc, argv);
  if (!options) {
    vos::vm::Say(std::format("{} (see --help)", options.error()));
    return vos::vm::kToolFailedStatus;
  }
  if (options->help) {
    std::fputs(vos::vm::kUsage, stdout);
    return 0;
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    vos::vm::Say("cannot find its own checkout: /proc is missing");
    return vos::vm::kToolFailedStatus;
  }
  // The program is build/bin/vm-run of its checkout.
  const auto outcome = vos::vm::Run(*options, self.parent_path().parent_path().parent_path());
  if (!outcome.message.empty()) vos::vm::Say(outcome.message);
  return outcome.status;
}
