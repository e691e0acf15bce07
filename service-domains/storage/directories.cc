// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "service-domains/storage/file_system.h"

namespace vos::storage {
namespace {

constexpr std::size_t kMinRoom = 1024;  // more than the longest entry needs
constexpr std::size_t kMaxRoom = 64 * 1024;

}  // namespace

Outcome<void> FileSystem::ReadDirectory(NodeId node, off_t offset, std::size_t room,
                                        const Take& take) {
  const auto directory = tree_->OpenNode(node, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  if (offset != 0 && lseek(directory->get(), offset, SEEK_SET) < 0) return Refuse();
  std::vector<char> buffer(std::clamp(room, kMinRoom, kMaxRoom));
  while (true) {
    const ssize_t size = getdents64(directory->get(), buffer.data(), buffer.size());
    if (size < 0) return Refuse();
    if (size == 0) return {};
    for (ssize_t at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
      DirectoryEntry taken{entry->d_name, entry->d_ino, entry->d_type, entry->d_off};
      // What is above the export is nobody's business.
      if (node == kRootNode && std::strcmp(entry->d_name, "..") == 0) {
        struct stat root;
        if (fstat(tree_->root(), &root) != 0) return Refuse();
        taken.inode = root.st_ino;
      }
      if (!take(directory->get(), taken)) return {};
      at += entry->d_reclen;
    }
  }
}

Outcome<void> FileSystem::SynchronizeDirectory(NodeId node, bool only_data) {
  const auto directory = tree_->OpenNode(node, O_RDONLY | O_DIRECTORY);
  if (!directory) return std::unexpected(directory.error());
  return Done(only_data ? fdatasync(directory->get()) : fsync(directory->get()));
}

}  // namespace vos::storage
