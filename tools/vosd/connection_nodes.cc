// SPDX-License-Identifier: Apache-2.0
#include "tools/vosd/connection_nodes.h"

#include <algorithm>
#include <format>

#include "kernel/virtuos/abi/virtuos.h"
#include "tools/common/text.h"

namespace vos {
namespace {

constexpr std::size_t kMaxErrorText = 200;

XenbusState StateAt(XenStore& store, const std::string& path) {
  const auto text = store.Read(path);
  const auto number = text ? ParseDecimal<std::uint32_t>(*text) : std::nullopt;
  constexpr auto kLast = static_cast<std::uint32_t>(XenbusState::kClosed);
  return number && *number <= kLast ? static_cast<XenbusState>(*number) : XenbusState::kUnknown;
}

}  // namespace

ConnectionNodes::ConnectionNodes(std::uint32_t primary, std::uint32_t domid)
    : primary_(primary), domid_(domid) {
  const std::string backend = std::format("backend/" VOS_XENBUS_TYPE "/{}/0", domid);
  const std::string frontend = "device/" VOS_XENBUS_TYPE "/0";
  backend_ = std::format("/local/domain/{}/{}", primary, backend);
  frontend_ = std::format("/local/domain/{}/{}", domid, frontend);
  backend_error_ = std::format("/local/domain/{}/error/{}", primary, backend);
  frontend_error_ = std::format("/local/domain/{}/error/{}", domid, frontend);
}

Result<void> ConnectionNodes::Write(XenStore& store, std::uint32_t kind) const {
  const auto initialising = std::to_string(static_cast<int>(XenbusState::kInitialising));
  return store.Commit([&](XenStore::Transaction& transaction) {
    transaction.MakeDirectory(backend_, primary_, domid_);
    transaction.Write(backend_ + "/frontend", frontend_);
    transaction.Write(backend_ + "/frontend-id", std::to_string(domid_));
    transaction.Write(backend_ + "/online", "1");
    transaction.Write(backend_ + "/" VOS_KEY_KIND, std::to_string(kind));
    transaction.Write(backend_ + "/state", initialising);
    transaction.MakeDirectory(frontend_, domid_, primary_);
    transaction.Write(frontend_ + "/backend", backend_);
    transaction.Write(frontend_ + "/backend-id", std::to_string(primary_));
    transaction.Write(frontend_ + "/state", initialising);
  });
}

Result<void> ConnectionNodes::CloseFrontend(XenStore& store) const {
  const auto closed = std::to_string(static_cast<int>(XenbusState::kClosed));
  return store.Commit(
      [&](XenStore::Transaction& transaction) { transaction.Write(frontend_ + "/state", closed); });
}

void ConnectionNodes::Remove(XenStore& store) const {
  const std::string last = "/0";
  store.Remove(backend_.substr(0, backend_.size() - last.size()));
  store.Remove(backend_error_.substr(0, backend_error_.size() - last.size()));
}

XenbusState ConnectionNodes::BackendState(XenStore& store) const {
  return StateAt(store, backend_state_path());
}

HandshakeStep ConnectionNodes::Step(XenStore& store) const {
  HandshakeStep step;
  step.frontend = StateAt(store, frontend_ + "/state");
  step.backend = BackendState(store);
  const auto keys = store.List(frontend_);
  step.keys = keys.size();
  step.introduces = std::ranges::contains(keys, VOS_KEY_ABI);
  // pcifront has said what it needs, pciback is ready, and the former is not: it looks for devices.
  step.finds_device = StateAt(store, std::format("/local/domain/{}/device/pci/0/state", domid_)) ==
                          XenbusState::kInitialised &&
                      StateAt(store, std::format("/local/domain/{}/backend/pci/{}/0/state",
                                                 primary_, domid_)) == XenbusState::kConnected;
  return step;
}

std::string ConnectionNodes::ErrorText(XenStore& store) const {
  // The primary's own words first: the other ones are the domain's.
  for (const std::string& directory : {backend_, backend_error_, frontend_, frontend_error_}) {
    const auto text = store.Read(directory + "/error");
    if (text && !text->empty()) return Printable(*text, kMaxErrorText);
  }
  return {};
}

}  // namespace vos
