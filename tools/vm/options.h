// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VM_OPTIONS_H_
#define VIRTUOS_TOOLS_VM_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vos::vm {

// How the network domain is created.
// Whose IOMMU an emulated processor has. With KVM it is that of the machine's own processor.
enum class EmulatedIommu { kAmd, kIntel };

enum class NetworkDomain {
  kPv,    // with the NIC passed through
  kPvh,   // without a NIC: loopback only
  kNone,  // not at all
};

// The storage domain's disk.
enum class StorageDisk {
  kFresh,  // prepared and empty; what is written to it is gone with the machine
  kBlank,  // not prepared; the same
  kImage,  // an image of the caller's, written in place
  kNone,
};

struct Forward {
  bool udp;
  std::uint16_t host_port;
  std::uint16_t guest_port;
};

struct Options {
  std::string packages;
  std::vector<std::filesystem::path> put;
  std::vector<std::filesystem::path> host;
  std::vector<Forward> forward;
  std::vector<std::filesystem::path> disks;
  StorageDisk storage = StorageDisk::kFresh;
  std::filesystem::path storage_image;  // kImage only
  std::string config = "test";
  std::optional<std::chrono::seconds> timeout;  // of the job alone, not of the boot
  unsigned cpus = 2;
  std::uint64_t memory_mib = 3072;
  std::vector<std::string> xen;
  std::vector<std::string> linux_arguments;
  std::vector<std::string> qemu;
  NetworkDomain network_domain = NetworkDomain::kPv;
  bool without_xen = false;
  EmulatedIommu iommu = EmulatedIommu::kAmd;
  bool gdb = false;
  bool tty = false;
  bool help = false;
  std::vector<std::string> command;  // FILE and its arguments
};

extern const char kUsage[];

// Errors are one line for the user.
std::expected<Options, std::string> ParseOptions(int argc, char** argv);

}  // namespace vos::vm

#endif  // VIRTUOS_TOOLS_VM_OPTIONS_H_
