// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/pci.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <format>
#include <system_error>
#include <vector>

#include "tools/common/file_descriptor.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {
namespace {

// PCI base class of network controllers, as in "0x020000"; class of NVMe controllers.
constexpr std::string_view kNetworkClass = "0x02";
constexpr std::string_view kNvmeClass = "0x0108";
// Virtio-blk, as a transitional device and as a modern one.
constexpr std::string_view kVirtioVendor = "0x1af4";
constexpr std::string_view kVirtioBlockDevices[] = {"0x1001", "0x1042"};
constexpr std::string_view kPassthroughDriver = "pciback";

// Of the resources that sysfs lists, BARs and the expansion ROM; bridges' windows follow.
constexpr std::size_t kMaxResources = 7;
// In their flags: include/linux/ioport.h.
constexpr std::uint64_t kPorts = 0x100;

template <typename Number>
Number FromHex(std::string_view text) {
  if (text.starts_with("0x")) text.remove_prefix(2);
  Number number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return number;
}

// Name of the driver a device is bound to; empty: none.
std::string DriverOf(const std::filesystem::path& device) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(device / "driver", error);
  return error ? std::string() : target.filename().string();
}

std::vector<std::filesystem::path> Entries(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    entries.push_back(it->path());
  }
  std::ranges::sort(entries);
  return entries;
}

// Names of the primary's network interfaces on a device, its own or those of a virtio device below
// it.
std::string InterfacesOf(const std::filesystem::path& device) {
  std::string names;
  for (const auto& child : Entries(device)) {
    const std::string name = child.filename().string();
    if (name != "net" && !name.starts_with("virtio")) continue;
    for (const auto& interface : Entries(name == "net" ? child : child / "net")) {
      names += (names.empty() ? "" : " ") + interface.filename().string();
    }
  }
  return names;
}

// Whether an attribute file of a device begins with a text.
bool Says(const std::filesystem::path& attribute, std::string_view beginning) {
  const auto text = ReadTextFile(attribute);
  return text && text->starts_with(beginning);
}

bool IsNetworkDevice(const std::filesystem::path& device) {
  return Says(device / "class", kNetworkClass);
}

bool IsDisk(const std::filesystem::path& device) {
  if (Says(device / "class", kNvmeClass)) return true;
  return Says(device / "vendor", kVirtioVendor) &&
         std::ranges::any_of(kVirtioBlockDevices, [&](std::string_view number) {
           return Says(device / "device", number);
         });
}

// Names of the block devices of a PCI device, partitions among them, that are held.
std::string HeldBlockDevicesOf(const std::string& sysfs, const std::string& address,
                               const IsHeld& is_held) {
  std::string names;
  for (const auto& entry : Entries(std::filesystem::path(sysfs) / "class/block")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry, error).string();
    const std::string name = entry.filename().string();
    if (error || !target.contains("/" + address + "/") || !is_held(name)) continue;
    names += (names.empty() ? "" : " ") + name;
  }
  return names;
}

// What the messages call a device, and whose it is to be.
struct Wish {
  std::string_view device;
  std::string_view domain;
};

// The first device of a kind for which `uses` gives nothing; it names what the primary does with it.
Result<PciDevice> FindDevice(
    const std::string& sysfs, const std::string& wanted, const Wish& wish,
    const std::function<bool(const std::filesystem::path& device)>& is_kind,
    const std::function<std::string(const std::string& address)>& uses) {
  const std::filesystem::path directory = std::filesystem::path(sysfs) / "bus/pci/devices";
  std::vector<std::string> addresses;
  if (wanted != "auto") {
    addresses.push_back(wanted);
  } else {
    for (const auto& entry : Entries(directory)) {
      if (IsPciAddress(entry.filename().string())) addresses.push_back(entry.filename().string());
    }
  }

  std::string taken;
  for (const std::string& address : addresses) {
    if (!is_kind(directory / address)) continue;
    const std::string use = uses(address);
    if (use.empty()) {
      return PciDevice{address, DriverOf(directory / address) == kPassthroughDriver};
    }
    taken += (taken.empty() ? "" : ", ") + address + " (" + use + ")";
  }
  if (!taken.empty()) {
    return Fail(std::format("the primary itself uses the {} {}", wish.device, taken));
  }
  if (wanted != "auto") {
    return Fail(std::format("no {} has the PCI address {}", wish.device, wanted));
  }
  return Fail(std::format("the machine has no PCI {} for the {} domain", wish.device, wish.domain));
}

}  // namespace

std::vector<PciResource> ParseResources(std::string_view text) {
  std::vector<PciResource> resources;
  std::size_t lines = 0;
  for (const std::string_view line : SplitLines(text)) {
    if (lines++ == kMaxResources) break;
    const auto words = SplitWords(line);
    if (words.size() != 3) continue;
    const auto first = FromHex<std::uint64_t>(words[0]);
    const auto last = FromHex<std::uint64_t>(words[1]);
    if (first == 0 || last < first) continue;
    resources.push_back(
        {first, last - first + 1, (FromHex<std::uint64_t>(words[2]) & kPorts) != 0});
  }
  return resources;
}

std::uint32_t PciNumber(std::string_view address) {
  const auto segment = FromHex<std::uint32_t>(address.substr(0, 4));
  const auto bus = FromHex<std::uint32_t>(address.substr(5, 2));
  const auto device = FromHex<std::uint32_t>(address.substr(8, 2));
  const auto function = FromHex<std::uint32_t>(address.substr(11, 1));
  return segment << 16 | bus << 8 | device << 3 | function;
}

bool IsPciAddress(std::string_view text) {
  constexpr std::string_view kForm = "hhhh:hh:hh.f";
  if (text.size() != kForm.size()) return false;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const char c = text[i];
    const bool digit = c >= '0' && c <= '9';
    if (kForm[i] == 'h' && !digit && !(c >= 'a' && c <= 'f')) return false;
    if (kForm[i] == 'f' && !(c >= '0' && c <= '7')) return false;
    if ((kForm[i] == ':' || kForm[i] == '.') && c != kForm[i]) return false;
  }
  return true;
}

Result<PciDevice> FindNetworkDevice(const std::string& sysfs, const std::string& wanted) {
  const std::filesystem::path directory = std::filesystem::path(sysfs) / "bus/pci/devices";
  return FindDevice(sysfs, wanted, {"network device", "network"}, IsNetworkDevice,
                    [&](const std::string& address) { return InterfacesOf(directory / address); });
}

bool IsHeldByKernel(const std::string& block_device) {
  // Whoever holds a block device or one of its partitions has opened it exclusively. What cannot be
  // opened at all is better left alone.
  const FileDescriptor device(
      open(("/dev/" + block_device).c_str(), O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC));
  return !device;
}

Result<PciDevice> FindStorageDevice(const std::string& sysfs, const std::string& wanted,
                                    const IsHeld& is_held) {
  return FindDevice(
      sysfs, wanted, {"NVMe or virtio disk", "storage"}, IsDisk,
      [&](const std::string& address) { return HeldBlockDevicesOf(sysfs, address, is_held); });
}

}  // namespace vos
