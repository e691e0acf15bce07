// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/passthrough.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <format>

#include "tools/common/file_descriptor.h"
#include "tools/common/text.h"
#include "tools/common/text_file.h"
#include "tools/vosd/life_cycle.h"
#include "tools/vosd/pci.h"

namespace vos {
namespace {

constexpr char kDevices[] = "/sys/bus/pci/devices/";
constexpr char kPermissive[] = "/sys/bus/pci/drivers/pciback/permissive";

// "0000:00:10.0" as libxl has it in xenstore.
std::string ToolstackName(std::string address) {
  std::ranges::replace_if(address, [](char c) { return c == ':' || c == '.'; }, '-');
  return address;
}

}  // namespace

void Passthrough::LetGo(std::uint32_t domid) const {
  // Without its node the back-end's driver removes the device, which is where pciback lets go.
  store_.Remove(std::format("/local/domain/{}/backend/pci/{}", primary_, domid));
  store_.Remove(std::format("/local/domain/{}/device/pci", domid));
}

bool Passthrough::IsLetGo(std::uint32_t domid) const {
  // Not the link in /sys/bus/xen-backend, which goes before the driver is done.
  return access(std::format("/sys/devices/pci-{}-0", domid).c_str(), F_OK) != 0;
}

Result<void> Passthrough::TakeBack(std::uint32_t domid, const std::string& address) const {
  // The registers that it may still map end with it: it runs no more.
  return hypervisor_.TakeDevice(domid, PciNumber(address));
}

Result<void> Passthrough::Permit(std::uint32_t domid, const std::string& address) const {
  const auto text = ReadTextFile(kDevices + address + "/resource");
  if (!text) return std::unexpected(text.error());
  for (const PciResource& one : ParseResources(*text)) {
    const auto permitted = one.ports ? hypervisor_.PermitPorts(domid, one.first, one.count)
                                     : hypervisor_.PermitMemory(domid, one.first, one.count);
    if (!permitted) return permitted;
  }
  const auto line = ReadTextFile(kDevices + address + "/irq");
  const auto number = line ? ParseDecimal<std::uint32_t>(Trim(*line)) : std::nullopt;
  if (!number || *number == 0) return {};
  return hypervisor_.PermitInterrupt(domid, *number);
}

Result<void> Passthrough::Give(std::uint32_t domid, const std::string& name,
                               const std::string& address) const {
  if (auto permitted = Permit(domid, address); !permitted) return permitted;
  const FileDescriptor permissive(open(kPermissive, O_WRONLY | O_CLOEXEC));
  if (!permissive || write(permissive.get(), address.data(), address.size()) < 0) {
    return FailErrno(kPermissive);
  }
  if (auto given = hypervisor_.GiveDevice(domid, PciNumber(address)); !given) return given;
  return WriteNodes(domid, name, address);
}

Result<void> Passthrough::WriteNodes(std::uint32_t domid, const std::string& name,
                                     const std::string& address) const {
  const std::string backend = std::format("/local/domain/{}/backend/pci/{}/0", primary_, domid);
  const std::string frontend = std::format("/local/domain/{}/device/pci/0", domid);
  const auto initialising = std::to_string(static_cast<int>(XenbusState::kInitialising));
  return store_.Commit([&](XenStore::Transaction& transaction) {
    transaction.MakeDirectory(backend, primary_, domid);
    transaction.Write(backend + "/frontend", frontend);
    transaction.Write(backend + "/frontend-id", std::to_string(domid));
    transaction.Write(backend + "/online", "1");
    transaction.Write(backend + "/domain", name);
    transaction.Write(backend + "/dev-0", address);
    transaction.Write(backend + "/opts-0",
                      "msitranslate=0,power_mgmt=0,permissive=1,rdm_policy=strict");
    transaction.Write(backend + "/state-0", initialising);
    transaction.Write(backend + "/num_devs", "1");
    transaction.Write(backend + "/state", initialising);
    transaction.Write(std::format("{}/{}/domid", kToolstackDevices, ToolstackName(address)),
                      std::to_string(domid));
    transaction.MakeDirectory(frontend, domid, primary_);
    transaction.Write(frontend + "/backend", backend);
    transaction.Write(frontend + "/backend-id", std::to_string(primary_));
    transaction.Write(frontend + "/state", initialising);
  });
}

}  // namespace vos
