// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/toolstack_nodes.h"

#include <format>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/text.h"
#include "tools/vosd/passthrough.h"

namespace vos {
namespace {

std::string NodeOf(std::uint32_t domid) { return std::format("/local/domain/{}", domid); }

// Where the toolstack has the domain's name for its users; empty: nowhere.
std::string VirtualMachineOf(XenStore& store, std::uint32_t domid) {
  const auto path = store.Read(NodeOf(domid) + "/vm");
  return path && path->starts_with("/vm/") ? *path : std::string();
}

}  // namespace

std::optional<std::uint32_t> ToolstackNodes::FindByName(const std::string& name) const {
  for (const std::string& entry : store_.List("/local/domain")) {
    const auto domid = ParseDecimal<std::uint32_t>(entry);
    if (domid && *domid != 0 && store_.Read(NodeOf(*domid) + "/name") == name) return domid;
  }
  return std::nullopt;
}

Result<void> ToolstackNodes::Rename(
    const std::vector<std::pair<std::uint32_t, std::string>>& names) const {
  return store_.Commit([&](XenStore::Transaction& transaction) {
    for (const auto& [domid, name] : names) {
      transaction.Write(NodeOf(domid) + "/name", name);
      const std::string machine = VirtualMachineOf(store_, domid);
      if (!machine.empty()) transaction.Write(machine + "/name", name);
    }
  });
}

void ToolstackNodes::Forget(std::uint32_t domid) const {
  if (const std::string machine = VirtualMachineOf(store_, domid); !machine.empty()) {
    store_.Remove(machine);
  }
  const std::string backends = NodeOf(primary_) + "/backend";
  for (const std::string& type : store_.List(backends)) {
    store_.Remove(std::format("{}/{}/{}", backends, type, domid));
  }
  store_.Remove(NodeOf(domid));
  store_.Remove(std::format("/libxl/{}", domid));
  // Whose a device is, for the toolstack, which would give it to nobody else.
  for (const std::string& device : store_.List(kToolstackDevices)) {
    const std::string owner = std::format("{}/{}/domid", kToolstackDevices, device);
    if (store_.Read(owner) == std::to_string(domid)) store_.Remove(owner);
  }
}

std::vector<std::uint32_t> ToolstackNodes::WithConnection() const {
  std::vector<std::uint32_t> domids;
  for (const std::string& entry : store_.List(NodeOf(primary_) + "/backend/" VOS_XENBUS_TYPE)) {
    if (const auto domid = ParseDecimal<std::uint32_t>(entry)) domids.push_back(*domid);
  }
  return domids;
}

}  // namespace vos
