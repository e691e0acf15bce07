// SPDX-License-Identifier: Apache-2.0
// Operations on names. The primary is the only client and locks directories as Linux does, so a
// name does not change between two steps of one operation on it.
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

#include <cstring>

#include "service-domains/storage/file_system.h"

namespace vos::storage {

Outcome<void> CheckName(const char* name) {
  if (*name == '\0' || std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0 ||
      std::strchr(name, '/') != nullptr) {
    return Refuse(EINVAL);
  }
  return {};
}

DescriptorPath::DescriptorPath(const FileDescriptor& descriptor) {
  std::snprintf(path_, sizeof(path_), "/proc/self/fd/%d", descriptor.get());
}

Outcome<Entry> FileSystem::EntryOf(int directory, const char* name) {
  Entry entry;
  const auto node = ExportTree::NodeOf(directory, name);
  if (!node) return std::unexpected(node.error());
  entry.node = *node;
  if (fstatat(directory, name, &entry.attributes, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    return Refuse();
  }
  // Somebody in the domain itself exchanged it meanwhile.
  if (entry.attributes.st_ino != static_cast<std::uint32_t>(entry.node)) return Refuse(ESTALE);
  return entry;
}

Outcome<Entry> FileSystem::Lookup(NodeId parent, const char* name) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  return EntryOf((*directory)->get(), name);
}

Outcome<Entry> FileSystem::MakeNode(NodeId parent, const char* name, mode_t mode, dev_t device) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  if (mknodat((*directory)->get(), name, mode, device) != 0) return Refuse();
  return EntryOf((*directory)->get(), name);
}

Outcome<Entry> FileSystem::MakeDirectory(NodeId parent, const char* name, mode_t mode) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  if (mkdirat((*directory)->get(), name, mode & ~S_IFMT) != 0) return Refuse();
  return EntryOf((*directory)->get(), name);
}

Outcome<Entry> FileSystem::MakeSymbolicLink(NodeId parent, const char* name, const char* target) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  if (symlinkat(target, (*directory)->get(), name) != 0) return Refuse();
  return EntryOf((*directory)->get(), name);
}

Outcome<Entry> FileSystem::Link(NodeId node, NodeId parent, const char* name) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto file = tree_->Find(node);
  if (!file) return std::unexpected(file.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  if (unnamed_ && unnamed_->Has(node)) {
    if (auto given = unnamed_->GiveName(node, (*directory)->get(), name); !given) {
      return std::unexpected(given.error());
    }
  } else if (linkat((*file)->get(), "", (*directory)->get(), name, AT_EMPTY_PATH) != 0) {
    return Refuse();
  }
  return EntryOf((*file)->get(), "");
}

Outcome<void> FileSystem::Unlink(NodeId parent, const char* name, bool keep) {
  if (auto valid = CheckName(name); !valid) return valid;
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  if (keep && unnamed_) {
    const auto node = ExportTree::NodeOf((*directory)->get(), name);
    if (!node) return std::unexpected(node.error());
    return unnamed_->TakeName(*node, (*directory)->get(), name);
  }
  return Done(unlinkat((*directory)->get(), name, 0));
}

Outcome<void> FileSystem::RemoveDirectory(NodeId parent, const char* name) {
  if (auto valid = CheckName(name); !valid) return valid;
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  const auto removed = ExportTree::NodeOf((*directory)->get(), name);
  if (unlinkat((*directory)->get(), name, AT_REMOVEDIR) != 0) return Refuse();
  if (removed) tree_->Forget(*removed);
  return {};
}

Outcome<void> FileSystem::Rename(NodeId parent, const char* name, NodeId new_parent,
                                 const char* new_name, unsigned flags, bool keep) {
  if (auto valid = CheckName(name); !valid) return valid;
  if (auto valid = CheckName(new_name); !valid) return valid;
  const auto from = tree_->FindDirectory(parent);
  if (!from) return std::unexpected(from.error());
  const auto to = tree_->FindDirectory(new_parent);
  if (!to) return std::unexpected(to.error());
  // An empty directory may be replaced, or a file that is open.
  const auto replaced = ExportTree::NodeOf((*to)->get(), new_name);
  const bool kept =
      keep && unnamed_ && replaced && unnamed_->Keep(*replaced, (*to)->get(), new_name);
  if (renameat2((*from)->get(), name, (*to)->get(), new_name, flags) != 0) {
    const int error = errno;
    if (kept) static_cast<void>(unnamed_->Close(*replaced));
    return Refuse(error);
  }
  if (replaced && (flags & RENAME_EXCHANGE) == 0) tree_->Forget(*replaced);
  return {};
}

Outcome<void> FileSystem::CloseUnnamed(const char* name) {
  const NodeId node = UnnamedFiles::NodeOfName(name);
  if (node == 0) return Refuse(EINVAL);
  return unnamed_ ? unnamed_->Close(node) : Refuse(ENOENT);
}

Outcome<void> FileSystem::SweepUnnamed() { return unnamed_ ? unnamed_->Sweep() : Outcome<void>(); }

Outcome<std::string> FileSystem::ReadLink(NodeId node) {
  const auto link = tree_->Find(node);
  if (!link) return std::unexpected(link.error());
  std::string target(PATH_MAX, '\0');
  const ssize_t length = readlinkat((*link)->get(), "", target.data(), target.size());
  // What an O_PATH descriptor says of anything else.
  if (length < 0) return Refuse(errno == ENOENT ? EINVAL : errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

}  // namespace vos::storage
