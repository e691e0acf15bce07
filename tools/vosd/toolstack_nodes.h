// SPDX-License-Identifier: Apache-2.0
#ifndef VIRTUOS_TOOLS_VOSD_TOOLSTACK_NODES_H_
#define VIRTUOS_TOOLS_VOSD_TOOLSTACK_NODES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tools/common/result.h"
#include "tools/vosd/xenstore.h"

namespace vos {

// What the toolstack keeps of domains in xenstore, where domain `primary` has it and the back-ends.
class ToolstackNodes {
 public:
  ToolstackNodes(XenStore& store, std::uint32_t primary) : store_(store), primary_(primary) {}

  // The domain that has this name.
  std::optional<std::uint32_t> FindByName(const std::string& name) const;
  // Gives domains their names, all at once.
  Result<void> Rename(const std::vector<std::pair<std::uint32_t, std::string>>& names) const;
  // Removes what is left of a domain that is gone: some of a device whose back-end has no state, and
  // everything, its name and that its device is its own included, of a domain that was destroyed
  // behind the toolstack's back.
  void Forget(std::uint32_t domid) const;
  // The domains of which there are nodes of a connection, whether they exist or not.
  std::vector<std::uint32_t> WithConnection() const;

 private:
  XenStore& store_;
  const std::uint32_t primary_;
};

}  // namespace vos

#endif  // VIRTUOS_TOOLS_VOSD_TOOLSTACK_NODES_H_
