// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/export_tree.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace vos::storage {
namespace {

// FILEID_INO32_GEN of linux/exportfs.h: 32 bits of inode number, 32 bits of generation.
constexpr int kInodeAndGeneration = 1;

struct Handle {
  file_handle head;
  std::uint32_t inode;
  std::uint32_t generation;
};
static_assert(offsetof(Handle, inode) == sizeof(file_handle));

// ext4 keeps lower inode numbers for itself, its root among them.
constexpr std::uint32_t kFirstInode = 11;

constexpr unsigned kHandleBytes = sizeof(Handle) - sizeof(file_handle);

}  // namespace

Outcome<std::unique_ptr<ExportTree>> ExportTree::Open(const std::string& directory) {
  // Not O_PATH: open_by_handle_at() wants a real one.
  FileDescriptor root(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return Refuse();
  const auto node = NodeOf(root.get(), "");
  if (!node) return std::unexpected(node.error());
  std::unique_ptr<ExportTree> tree(new ExportTree(std::move(root)));
  if (auto opened = tree->OpenNode(*node, O_PATH); !opened) return std::unexpected(opened.error());
  return tree;
}

Outcome<NodeId> ExportTree::NodeOf(int directory, const char* name) {
  Handle handle{};
  handle.head.handle_bytes = kHandleBytes;
  int mount = 0;
  if (name_to_handle_at(directory, name, &handle.head, &mount, *name == '\0' ? AT_EMPTY_PATH : 0) !=
      0) {
    // Its handle is longer.
    return Refuse(errno == EOVERFLOW ? EOPNOTSUPP : errno);
  }
  if (handle.head.handle_type != kInodeAndGeneration || handle.head.handle_bytes != kHandleBytes) {
    return Refuse(EOPNOTSUPP);
  }
  return static_cast<NodeId>(handle.generation) << 32 | handle.inode;
}

Outcome<FileDescriptor> ExportTree::OpenNode(NodeId node, int flags) {
  if (node == kRootNode) {
    FileDescriptor opened(openat(root(), ".", flags | O_CLOEXEC));
    if (!opened) return Refuse();
    return opened;
  }
  Handle handle{};
  handle.head.handle_bytes = kHandleBytes;
  handle.head.handle_type = kInodeAndGeneration;
  handle.inode = static_cast<std::uint32_t>(node);
  handle.generation = static_cast<std::uint32_t>(node >> 32);
  if (handle.inode < kFirstInode) return Refuse(ESTALE);
  FileDescriptor opened(open_by_handle_at(root(), &handle.head, flags | O_CLOEXEC));
  if (!opened) return Refuse();
  return opened;
}

ExportTree::Shared ExportTree::FromCache(NodeId node) {
  if (node == kRootNode) return root_;
  const std::lock_guard lock(mutex_);
  const auto found = cache_.find(node);
  if (found == cache_.end()) return nullptr;
  found->second.used = ++clock_;
  return found->second.descriptor;
}

Outcome<ExportTree::Shared> ExportTree::Find(NodeId node) {
  if (Shared cached = FromCache(node)) return cached;
  auto opened = OpenNode(node, O_PATH | O_NOFOLLOW);
  if (!opened) return std::unexpected(opened.error());
  return std::make_shared<const FileDescriptor>(std::move(*opened));
}

Outcome<ExportTree::Shared> ExportTree::FindDirectory(NodeId node) {
  if (Shared cached = FromCache(node)) return cached;
  auto opened = OpenNode(node, O_PATH | O_DIRECTORY);
  if (!opened) return std::unexpected(opened.error());
  Shared descriptor = std::make_shared<const FileDescriptor>(std::move(*opened));
  Shared evicted;  // closed after the lock is released
  const std::lock_guard lock(mutex_);
  if (cache_.size() >= kMaxCached && !cache_.contains(node)) {
    const auto oldest =
        std::ranges::min_element(cache_, {}, [](const auto& entry) { return entry.second.used; });
    evicted = std::move(oldest->second.descriptor);
    cache_.erase(oldest);
  }
  cache_[node] = {descriptor, ++clock_};
  return descriptor;
}

void ExportTree::Forget(NodeId node) {
  const std::lock_guard lock(mutex_);
  cache_.erase(node);
}

std::size_t ExportTree::cached() {
  const std::lock_guard lock(mutex_);
  return cache_.size();
}

}  // namespace vos::storage
