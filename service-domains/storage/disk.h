// SPDX-License-Identifier: Apache-2.0
// The domain's disk, and what is on it.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_DISK_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_DISK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vos::storage {

// Label of a file system that was made for VirtuOS.
inline constexpr char kLabel[] = "virtuos";
// Bytes of its blocks, which say where the copies of its superblock are.
inline constexpr unsigned kBlockSize = 4096;
inline constexpr unsigned kSectorSize = 512;

struct Disk {
  std::string name;      // nvme0n1, vda
  std::string sequence;  // no two disks have had the same since the start of the kernel
  bool read_only = false;
  std::uint64_t sectors = 0;  // of 512 bytes

  bool operator==(const Disk& other) const {
    return name == other.name && sequence == other.sequence;
  }
};

// The NVMe or virtio disk of the domain, which has one; the first by name otherwise. `classes` is
// the directory with the block devices.
std::optional<Disk> FindDisk(const std::string& classes = "/sys/class/block");

enum class Contents {
  kOurs,
  kBlank,    // no known signature
  kForeign,  // somebody else's
  kDamaged,  // was ours once, or cannot be read
  kAbsent,   // there is a node, but no device behind it (yet)
};

struct Examination {
  Contents contents = Contents::kAbsent;
  std::string detail;  // for a person
};

// Names the signature on a device, empty if there is none it knows, or nothing at all if it could
// not find out.
using FindSignature = std::function<std::optional<std::string>(const std::string& device)>;

// By blkid, the program.
std::optional<std::string> SignatureByBlkid(const std::string& device);

// Reads, never writes.
Examination Examine(const std::string& device, const FindSignature& find_signature);

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_DISK_H_
