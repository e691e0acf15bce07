// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/pci.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "tools/common/text.h"
#include "tools/common/text_file.h"

namespace vos {
namespace {

// PCI base class of network controllers, as in "0x020000".
constexpr std::string_view kNetworkClass = "0x02";
constexpr std::string_view kPassthroughDriver = "pciback";

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

}  // namespace

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

Result<NetworkDevice> FindNetworkDevice(const std::string& sysfs, const std::string& wanted) {
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
    const auto device_class = ReadTextFile(directory / address / "class");
    if (!device_class || !device_class->starts_with(kNetworkClass)) continue;
    const std::string interfaces = InterfacesOf(directory / address);
    if (interfaces.empty()) {
      return NetworkDevice{address, DriverOf(directory / address) == kPassthroughDriver};
    }
    taken += (taken.empty() ? "" : ", ") + address + " (" + interfaces + ")";
  }
  if (!taken.empty()) return Fail("the primary itself uses the network device " + taken);
  if (wanted != "auto") return Fail("no network device has the PCI address " + wanted);
  return Fail("the machine has no PCI network device for the network domain");
}

}  // namespace vos
