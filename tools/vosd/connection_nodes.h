// SPDX-License-Identifier: Apache-2.0
// The xenbus nodes that introduce a service domain (front-end) and the primary (back-end) to each
// other; kernel/virtuos/abi/virtuos.h describes what the drivers write there.
#ifndef VIRTUOS_TOOLS_VOSD_CONNECTION_NODES_H_
#define VIRTUOS_TOOLS_VOSD_CONNECTION_NODES_H_

#include <cstdint>
#include <string>

#include "tools/vosd/handshake.h"
#include "tools/vosd/life_cycle.h"
#include "tools/vosd/xenstore.h"

namespace vos {

class ConnectionNodes {
 public:
  // Of service domain `domid`, served by the drivers of domain `primary`.
  ConnectionNodes(std::uint32_t primary, std::uint32_t domid);

  Result<void> Write(XenStore& store, std::uint32_t kind) const;
  // As if the front-end had closed its end, for one that cannot do so itself any more.
  Result<void> CloseFrontend(XenStore& store) const;
  // The back-end's and the errors it told; the front-end's are the toolstack's to remove.
  void Remove(XenStore& store) const;

  std::string backend_state_path() const { return backend_ + "/state"; }
  // All that the front-end writes is below it.
  const std::string& frontend_path() const { return frontend_; }
  XenbusState BackendState(XenStore& store) const;
  HandshakeStep Step(XenStore& store) const;
  // What a driver says went wrong, fit to print; empty: nothing.
  std::string ErrorText(XenStore& store) const;

 private:
  std::uint32_t primary_;
  std::uint32_t domid_;
  std::string backend_;
  std::string frontend_;
  std::string backend_error_;  // where Linux's xenbus_dev_error() of the back-end writes
  std::string frontend_error_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_CONNECTION_NODES_H_
