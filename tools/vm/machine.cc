// SPDX-License-Identifier: Apache-2.0
#include "tools/vm/machine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <format>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "tools/vm/command.h"
#include "tools/vm/guest_protocol.h"

namespace vos::vm {
namespace {

namespace fs = std::filesystem;

// If the build root is not there, it is made.
constexpr std::chrono::seconds kBuildRootLimit{1800};

// Slot of the NIC on bus 0: the address that service-domains/network/network.cfg assigns.
constexpr char kNicSlot[] = "0x10";

// Slot of the storage domain's disk, and its address in the primary's kernel.
constexpr char kStorageSlot[] = "0x11";
constexpr char kStorageAddress[] = "0000:00:11.0";

// Slots of the root disk and the --disk ones: the primary names disks in the order of their slots.
constexpr std::size_t kRootSlot = 0x4;
constexpr std::size_t kFirstDiskSlot = 0x6;

// Memory for Xen itself; the primary gets half of the rest, the other domains share what is left: of
// the smallest machine 512 MiB, where network and storage have 96 and 384 and some for their making.
constexpr std::uint64_t kOutsidePrimaryMib = 512;
constexpr std::uint64_t kPrimaryMaxMib = 8192;

// With so many processors the storage domain has one of its own.
constexpr unsigned kCpusForTwoDomains = 4;

// Processors of the service domains, from the second one of the machine on.
unsigned ServiceCpus(const Options& options) { return options.cpus >= kCpusForTwoDomains ? 2 : 1; }

enum class CpuVendor { kAmd, kIntel };

struct Accelerator {
  bool kvm = false;
  CpuVendor vendor = CpuVendor::kAmd;
};

// KVM runs Xen only where it can virtualise VMX or SVM; a KVM without them kills Xen at start.
std::expected<Accelerator, std::string> ChooseAccelerator() {
  bool vmx = false;
  bool svm = false;
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("flags")) continue;
    line += ' ';
    vmx = line.contains(" vmx ");
    svm = line.contains(" svm ");
    break;
  }
  const bool usable = (vmx || svm) && access("/dev/kvm", R_OK | W_OK) == 0;
  const char* const wanted = std::getenv("VIRTUOS_ACCEL");
  const std::string_view choice = wanted ? wanted : "";
  if (choice == "kvm" && !usable) {
    return std::unexpected("VIRTUOS_ACCEL=kvm: needs vmx or svm in /proc/cpuinfo, and /dev/kvm");
  }
  if (choice != "" && choice != "kvm" && choice != "tcg") {
    return std::unexpected(std::format("VIRTUOS_ACCEL={}: kvm or tcg expected", choice));
  }
  if (choice == "tcg" || !usable) return Accelerator{};
  return Accelerator{true, vmx ? CpuVendor::kIntel : CpuVendor::kAmd};
}

// A value inside one of QEMU's comma-separated options.
std::string EscapeCommas(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped.append(c == ',' ? 2 : 1, c);
  return escaped;
}

std::string XenArguments(const Options& options) {
  const std::uint64_t primary =
      std::min((options.memory_mib - kOutsidePrimaryMib) / 2, kPrimaryMaxMib);
  std::string arguments = std::format(
      // With x2apic, interrupts of a passed-through device go to the wrong CPU under QEMU.
      // 512 grant frames: every session's pages are granted by the primary. Processor 1, and perhaps
      // 2, are the service domains'; init moves vCPUs of the primary beyond the first past them.
      // With lazy switching of vector registers, the default on AMD, processes of the primary lose theirs
      // while domains come and go.
      "spec-ctrl=eager-fpu com1=115200 console=com1 loglvl=info guest_loglvl=info iommu=verbose "
      "x2apic=0 "
      "dom0_mem={0}M,max:{0}M dom0_max_vcpus={1} dom0_vcpus_pin=1 gnttab_max_frames=512 "
      "bootscrub=0",
      primary, options.cpus - ServiceCpus(options));
  for (const std::string& word : options.xen) arguments += " " + word;
  return arguments;
}

std::string LinuxArguments(const Options& options) {
  // An emulated processor may stand still for longer than the watchdog of the clock allows.
  std::string arguments = "console=hvc0 root=/dev/vda rw init=/usr/lib/virtuos/init tsc=nowatchdog";
  // Until the console is there, a panic shows on the serial port, which is Xen's where there is one.
  // QEMU emulates no waiting for a write to memory: a processor that idles by mwait, and is woken by that, would sleep
  // until its next timer.
  if (options.without_xen) arguments += " earlyprintk=serial,ttyS0,115200 idle=halt";
  switch (options.network_domain) {
    case NetworkDomain::kPv:
      break;
    case NetworkDomain::kPvh:
      arguments += " virtuos.network=pvh";
      break;
    case NetworkDomain::kNone:
      arguments += " virtuos.domains=none";
      break;
  }
  if (const unsigned cpus = ServiceCpus(options); cpus > 1 && !options.without_xen) {
    arguments += std::format(" virtuos.service_cpus={} virtuos.storage.cpus=2", cpus);
  }
  // A disk that was added for the primary is free until somebody uses it.
  if (!options.disks.empty()) arguments += std::format(" virtuos.storage.disk={}", kStorageAddress);
  // The primary's own driver never sees what is on the storage domain's disk.
  if (options.storage != StorageDisk::kNone) {
    arguments += std::format(" xen-pciback.hide=({})", kStorageAddress);
  }
  // Otherwise it is the caller's business what state the disk is in, and what becomes of it.
  if (options.storage == StorageDisk::kFresh) arguments += " virtuos.needs=storage";
  if (options.storage == StorageDisk::kImage) arguments += " virtuos.keeps=storage";
  for (const std::string& word : options.linux_arguments) arguments += " " + word;
  return arguments;
}

std::string NetworkBackend(const Options& options) {
  std::string backend = "user,id=net";
  for (const Forward& forward : options.forward) {
    backend += std::format(",hostfwd={}:127.0.0.1:{}-:{}", forward.udp ? "udp" : "tcp",
                           forward.host_port, forward.guest_port);
  }
  return backend;
}

}  // namespace

std::expected<BootFiles, std::string> FindBootFiles(const fs::path& checkout,
                                                    const Options& options, fs::path root_image,
                                                    fs::path storage_image) {
  const fs::path build = checkout / "build";
  // A release differs in the service domains alone.
  const std::string variant = options.config == "debug" ? "-debug" : "";
  BootFiles files{build / ("xen" + variant) / "xen",
                  build / ("linux-primary" + variant) / "arch/x86/boot/bzImage",
                  std::move(root_image), std::move(storage_image)};
  for (const fs::path& file : {files.xen, files.kernel, files.root_image}) {
    if (std::error_code error; !fs::is_regular_file(file, error)) {
      return std::unexpected(std::format("{} is missing: run make first", file.native()));
    }
  }
  return files;
}

std::expected<std::vector<std::string>, std::string> FindQemu(const fs::path& checkout) {
  const char* const wanted = std::getenv("VIRTUOS_QEMU");
  if (wanted && *wanted) return std::vector<std::string>{wanted};

  const auto printed =
      CommandOutput({(checkout / "tools/build-root-create").native()}, kBuildRootLimit);
  if (!printed) return std::unexpected(printed.error());
  const fs::path root = *printed;
  const fs::path libraries = root / "usr/lib/x86_64-linux-gnu";
  // The build root's program with the build root's loader and libraries: no chroot, no privileges.
  return std::vector<std::string>{libraries / "ld-linux-x86-64.so.2",
                                  "--library-path",
                                  libraries,
                                  root / "usr/bin/qemu-system-x86_64",
                                  "-L",
                                  root / "usr/share/qemu",
                                  "-L",
                                  root / "usr/share/seabios"};
}

std::expected<Program, std::string> MakeMachine(const Options& options, const BootFiles& files,
                                                std::vector<std::string> qemu, const fs::path& run,
                                                int guest) {
  const auto accelerator = ChooseAccelerator();
  if (!accelerator) return std::unexpected(accelerator.error());
  const bool intel = accelerator->kvm ? accelerator->vendor == CpuVendor::kIntel
                                      : options.iommu == EmulatedIommu::kIntel;

  // Names without spaces and commas, which QEMU's option syntax would trip over.
  std::error_code error;
  fs::create_symlink(files.xen, run / "xen", error);
  if (!error) fs::create_symlink(files.kernel, run / "kernel", error);
  if (!error) fs::create_symlink(files.root_image, run / "root.img", error);
  for (std::size_t i = 0; i < options.disks.size() && !error; ++i) {
    fs::create_symlink(fs::absolute(options.disks[i]), run / std::format("disk{}.img", i), error);
  }
  if (!files.storage_image.empty() && !error) {
    fs::create_symlink(fs::absolute(files.storage_image), run / "storage.img", error);
  }
  if (error) return std::unexpected(std::format("{}: {}", run.native(), error.message()));

  Program machine;
  machine.command = std::move(qemu);
  machine.directory = run;
  machine.log = run / kQemuLog;
  machine.passed_descriptor = guest;
  std::vector<std::string>& command = machine.command;
  const auto add = [&command](std::initializer_list<std::string> words) {
    command.insert(command.end(), words);
  };

  add({"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"});
  add({"-smp", std::to_string(options.cpus), "-m", std::format("{}M", options.memory_mib)});
  if (accelerator->kvm) {
    add({"-machine", "q35,kernel-irqchip=split", "-accel", "kvm", "-cpu", "host"});
  } else {
    // QEMU emulates `rep movsb` byte by byte; without these bits nobody prefers it.
    add({"-machine", "q35", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu",
         // Xen believes in VT-d only beside a processor of Intel's; VMX is not emulated, nor SVM there.
         intel ? "max,-erms,-fsrm,vendor=GenuineIntel,-svm" : "max,-erms,-fsrm"});
  }
  add({"-device", intel ? "intel-iommu,intremap=on,aw-bits=48" : "amd-iommu,intremap=on"});
  add({"-chardev", std::format("file,id=serial,mux=on,path={}", kSerialLog), "-serial",
       "chardev:serial"});
  if (options.without_xen) {
    add({"-kernel", "kernel", "-append", LinuxArguments(options)});
  } else {
    add({"-kernel", "xen", "-append", XenArguments(options)});
    add({"-initrd", "kernel " + EscapeCommas(LinuxArguments(options))});
  }
  add({"-drive", "file=root.img,if=none,id=root,format=raw,snapshot=on,cache=unsafe", "-device",
       std::format("virtio-blk-pci,drive=root,addr={:#x}", kRootSlot)});
  for (std::size_t i = 0; i < options.disks.size(); ++i) {
    add({"-drive", std::format("file=disk{0}.img,if=none,id=disk{0},format=raw", i), "-device",
         std::format("virtio-blk-pci,drive=disk{},addr={:#x},iommu_platform=on,disable-legacy=on",
                     i, kFirstDiskSlot + i)});
  }
  if (!files.storage_image.empty()) {
    const char* const fate =
        options.storage == StorageDisk::kImage ? "" : ",snapshot=on,cache=unsafe";
    add({"-drive", std::format("file=storage.img,if=none,id=storage,format=raw{}", fate), "-device",
         std::format("nvme,drive=storage,serial=virtuos,addr={}", kStorageSlot)});
  }
  add({"-device", "virtio-serial-pci,addr=0x5,max_ports=2", "-chardev",
       std::format("socket,id=guest,fd={}", guest), "-device",
       std::format("virtserialport,chardev=guest,name={},nr=1", kPortName)});
  // hvc0, which is Xen's console where there is a Xen.
  if (options.without_xen) add({"-device", "virtconsole,chardev=serial,nr=0"});
  add({"-netdev", NetworkBackend(options), "-device",
       std::format("virtio-net-pci,netdev=net,addr={},iommu_platform=on,disable-legacy=on,romfile=",
                   kNicSlot)});
  if (options.gdb)
    add({"-S", "-chardev", "socket,id=gdb,path=gdb.sock,server=on,wait=off", "-gdb",
         "chardev:gdb"});
  command.insert(command.end(), options.qemu.begin(), options.qemu.end());
  return machine;
}

}  // namespace vos::vm
