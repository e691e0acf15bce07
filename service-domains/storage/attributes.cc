// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include "service-domains/storage/file_system.h"

namespace vos::storage {
namespace {

constexpr timespec kKeep{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
constexpr id_t kKeepId = static_cast<id_t>(-1);

}  // namespace

Outcome<struct stat> FileSystem::GetAttributes(NodeId node) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  struct stat attributes;
  if (fstatat((*file)->get(), "", &attributes, AT_EMPTY_PATH) != 0) return Refuse();
  CorrectLinks(node, &attributes.st_nlink);
  return attributes;
}

Outcome<struct statx> FileSystem::GetExtendedStatus(NodeId node) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  struct statx status;
  if (statx((*file)->get(), "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) {
    return Refuse();
  }
  CorrectLinks(node, &status.stx_nlink);
  return status;
}

Outcome<struct stat> FileSystem::SetAttributes(NodeId node, const AttributeChange& change) {
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  const DescriptorPath path(**file);
  // The owner first: changing it clears bits of the mode. The times last: the rest changes them.
  if ((change.uid || change.gid) && fchownat((*file)->get(), "", change.uid.value_or(kKeepId),
                                             change.gid.value_or(kKeepId), AT_EMPTY_PATH) != 0) {
    return Refuse();
  }
  if (change.mode && chmod(path.get(), *change.mode & ~S_IFMT) != 0) return Refuse();
  if (change.size && truncate(path.get(), *change.size) != 0) return Refuse();
  if (change.access_time || change.modification_time) {
    const timespec times[] = {change.access_time.value_or(kKeep),
                              change.modification_time.value_or(kKeep)};
    if (utimensat((*file)->get(), "", times, AT_EMPTY_PATH) != 0) return Refuse();
  }
  struct stat attributes;
  if (fstatat((*file)->get(), "", &attributes, AT_EMPTY_PATH) != 0) return Refuse();
  CorrectLinks(node, &attributes.st_nlink);
  return attributes;
}

Outcome<struct statvfs> FileSystem::Statistics() {
  struct statvfs statistics;
  if (fstatvfs(tree_->root(), &statistics) != 0) return Refuse();
  return statistics;
}

Outcome<void> FileSystem::Synchronize() { return Done(syncfs(tree_->root())); }

}  // namespace vos::storage
