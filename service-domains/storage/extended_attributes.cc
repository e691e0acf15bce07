// SPDX-License-Identifier: Apache-2.0
// POSIX ACLs are among them: Linux has them as system.posix_acl_access and ..._default.
#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "service-domains/storage/file_system.h"

namespace vos::storage {
namespace {

constexpr std::string_view kTrusted = "trusted.";

std::size_t Bounded(std::size_t room) { return std::min<std::size_t>(room, XATTR_LIST_MAX); }

// Drops names that begin with "trusted.".
void LeaveOutTrusted(std::vector<char>& names) {
  std::vector<char> kept;
  for (auto at = names.begin(); at != names.end();) {
    const auto end = std::find(at, names.end(), '\0');
    if (!std::string_view(at, end).starts_with(kTrusted)) {
      kept.insert(kept.end(), at, end);
      kept.push_back('\0');
    }
    at = end == names.end() ? end : end + 1;
  }
  names = std::move(kept);
}

}  // namespace

Outcome<void> FileSystem::SetExtendedAttribute(NodeId node, const char* name,
                                               std::span<const char> value, int flags) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  return Done(setxattr(DescriptorPath(**file).get(), name, value.data(), value.size(), flags));
}

Outcome<FileSystem::Value> FileSystem::GetExtendedAttribute(NodeId node, const char* name,
                                                            std::size_t room) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  Value result{std::vector<char>(Bounded(room)), 0};
  const ssize_t size =
      getxattr(DescriptorPath(**file).get(), name, result.value.data(), result.value.size());
  if (size < 0) return Refuse();
  result.size = static_cast<std::size_t>(size);
  if (room != 0) result.value.resize(result.size);
  return result;
}

Outcome<FileSystem::Value> FileSystem::ListExtendedAttributes(NodeId node, std::size_t room,
                                                              bool trusted) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  Value result{std::vector<char>(XATTR_LIST_MAX), 0};
  const ssize_t size =
      listxattr(DescriptorPath(**file).get(), result.value.data(), result.value.size());
  if (size < 0) return Refuse();
  result.value.resize(static_cast<std::size_t>(size));
  if (!trusted) LeaveOutTrusted(result.value);
  result.size = result.value.size();
  if (room == 0) {
    result.value.clear();
  } else if (result.size > room) {
    return Refuse(ERANGE);
  }
  return result;
}

Outcome<void> FileSystem::RemoveExtendedAttribute(NodeId node, const char* name) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  return Done(removexattr(DescriptorPath(**file).get(), name));
}

}  // namespace vos::storage
