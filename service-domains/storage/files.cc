// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "service-domains/storage/file_system.h"

namespace vos::storage {
namespace {

// What an open file keeps, and O_TRUNC, which ext4 does on opening.
constexpr int kPassedOn = O_ACCMODE | O_APPEND | O_TRUNC | O_DIRECT | O_DSYNC | O_SYNC | O_NOATIME;

constexpr int kAlways = O_CLOEXEC | O_NOCTTY | O_NOFOLLOW;

}  // namespace

Outcome<FileDescriptor> FileSystem::Open(NodeId node, int flags) {
  // Should it be a FIFO, opening it does not wait; devices are not opened on the domain's mount.
  auto file = tree_->OpenNode(node, (flags & kPassedOn) | kAlways | O_NONBLOCK);
  if (!file) return file;
  struct stat attributes;
  if (fstat(file->get(), &attributes) != 0) return Refuse();
  if (!S_ISREG(attributes.st_mode)) return Refuse(ELOOP);
  if (unnamed_) unnamed_->Claim(node);
  return file;
}

Outcome<Opened> FileSystem::Create(NodeId parent, const char* name, int flags, mode_t mode) {
  if (auto valid = CheckName(name); !valid) return std::unexpected(valid.error());
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  const int kept = (flags & kPassedOn) | kAlways;
  Opened opened;
  opened.file =
      FileDescriptor(openat((*directory)->get(), name, kept | O_CREAT | O_EXCL, mode & ~S_IFMT));
  if (!opened.file) {
    if (errno != EEXIST || (flags & O_EXCL) != 0) return Refuse();
    struct stat existing;
    if (fstatat((*directory)->get(), name, &existing, AT_SYMLINK_NOFOLLOW) != 0) return Refuse();
    if (!S_ISREG(existing.st_mode)) return Refuse(ELOOP);
    opened.file = FileDescriptor(openat((*directory)->get(), name, kept));
    if (!opened.file) return Refuse();
  }
  const auto entry = EntryOf(opened.file.get(), "");
  if (!entry) return std::unexpected(entry.error());
  opened.entry = *entry;
  return opened;
}

Outcome<Opened> FileSystem::CreateUnnamed(NodeId parent, int flags, mode_t mode) {
  const auto directory = tree_->FindDirectory(parent);
  if (!directory) return std::unexpected(directory.error());
  Opened opened;
  // O_EXCL, that it never gets a name, is the primary's to see to: here it gets one.
  opened.file = FileDescriptor(openat((*directory)->get(), ".",
                                      ((flags & kPassedOn) & ~O_TRUNC) | O_CLOEXEC | O_TMPFILE,
                                      mode & ~S_IFMT));
  if (!opened.file) return Refuse();
  const auto node = ExportTree::NodeOf(opened.file.get(), "");
  if (!node) return std::unexpected(node.error());
  if (unnamed_) unnamed_->Add(*node, opened.file.get());
  const auto entry = EntryOf(opened.file.get(), "");
  if (!entry) return std::unexpected(entry.error());
  opened.entry = *entry;
  CorrectLinks(*node, &opened.entry.attributes.st_nlink);
  return opened;
}

}  // namespace vos::storage
