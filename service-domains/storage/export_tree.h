// SPDX-License-Identifier: Apache-2.0
// The exported directory tree, by node id. A node id is all that names an inode to the primary, and
// it means the same to every incarnation of the daemon: nothing has to be remembered.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_EXPORT_TREE_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_EXPORT_TREE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "service-domains/storage/outcome.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

// generation << 32 | inode number; ext4 has 32 bits of each, and no file with inode number 1.
using NodeId = std::uint64_t;

// The exported directory, whatever its inode is.
inline constexpr NodeId kRootNode = 1;

class ExportTree {
 public:
  // Directories kept open; each holds its inode in memory, and on the disk after its removal.
  static constexpr std::size_t kMaxCached = 64;

  // A descriptor that others may use at the same time.
  using Shared = std::shared_ptr<const FileDescriptor>;

  // EOPNOTSUPP: its file system does not name files by inode number and generation alone, as ext4
  // does. EPERM: the process may not open files by handle (CAP_DAC_READ_SEARCH).
  static Outcome<std::unique_ptr<ExportTree>> Open(const std::string& directory);

  // An O_PATH descriptor. ESTALE: no such inode (any more).
  Outcome<Shared> Find(NodeId node);
  // The same of a directory; ENOTDIR otherwise.
  Outcome<Shared> FindDirectory(NodeId node);
  // Opens the file itself.
  Outcome<FileDescriptor> OpenNode(NodeId node, int flags);

  // The node of `name` in an open directory, a symbolic link included; of what is open itself if
  // the name is empty.
  static Outcome<NodeId> NodeOf(int directory, const char* name);

  // A directory that was removed is kept open no longer.
  void Forget(NodeId node);

  int root() const { return root_->get(); }
  std::size_t cached();

 private:
  struct Cached {
    Shared descriptor;
    std::uint64_t used;  // value of clock_ then
  };

  explicit ExportTree(FileDescriptor root)
      : root_(std::make_shared<const FileDescriptor>(std::move(root))) {}
  Shared FromCache(NodeId node);

  Shared root_;
  std::mutex mutex_;
  std::unordered_map<NodeId, Cached> cache_;  // under mutex_
  std::uint64_t clock_ = 0;                   // under mutex_
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_EXPORT_TREE_H_
