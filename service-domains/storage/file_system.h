// SPDX-License-Identifier: Apache-2.0
// What the daemon does to the exported tree, one function an operation, without anything of FUSE's
// protocol. All may be called by any thread that PrepareIdentity() prepared, at the same time; they
// act for whom ActAs() said last in it. Errors are what the program gets.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_FILE_SYSTEM_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_FILE_SYSTEM_H_

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "service-domains/storage/export_tree.h"
#include "service-domains/storage/outcome.h"
#include "service-domains/storage/unnamed_files.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

struct Entry {
  NodeId node = 0;
  struct stat attributes = {};
};

struct Opened {
  Entry entry;
  FileDescriptor file;
};

// What is to be changed. Times may have UTIME_NOW as nanoseconds.
struct AttributeChange {
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<mode_t> mode;
  std::optional<off_t> size;  // bytes
  std::optional<timespec> access_time;
  std::optional<timespec> modification_time;
};

// An entry as a directory has it. `offset` is the position behind it, for the next reading.
struct DirectoryEntry {
  const char* name = nullptr;
  std::uint64_t inode = 0;
  std::uint8_t type = 0;  // DT_*
  off_t offset = 0;
};

class FileSystem {
 public:
  // `unnamed` may be null: files without a name don't outlive the domain then.
  FileSystem(std::unique_ptr<ExportTree> tree, std::unique_ptr<UnnamedFiles> unnamed)
      : tree_(std::move(tree)), unnamed_(std::move(unnamed)) {}

  // names.cc. A name is one component, never "." or "..": EINVAL.
  Outcome<Entry> Lookup(NodeId parent, const char* name);
  Outcome<Entry> MakeNode(NodeId parent, const char* name, mode_t mode, dev_t device);
  Outcome<Entry> MakeDirectory(NodeId parent, const char* name, mode_t mode);
  Outcome<Entry> MakeSymbolicLink(NodeId parent, const char* name, const char* target);
  Outcome<Entry> Link(NodeId node, NodeId parent, const char* name);
  // `keep`: a file that loses its last name by it is open.
  Outcome<void> Unlink(NodeId parent, const char* name, bool keep);
  Outcome<void> RemoveDirectory(NodeId parent, const char* name);
  // `flags`: RENAME_* of linux/fs.h.
  Outcome<void> Rename(NodeId parent, const char* name, NodeId new_parent, const char* new_name,
                       unsigned flags, bool keep);
  // A file without a name has been closed; `name` is VOS_FUSE_UNNAMED's for it.
  Outcome<void> CloseUnnamed(const char* name);
  // See UnnamedFiles::Sweep().
  Outcome<void> SweepUnnamed();
  Outcome<std::string> ReadLink(NodeId node);

  // attributes.cc
  Outcome<struct stat> GetAttributes(NodeId node);
  // All that statx(2) tells, the time of birth among it.
  Outcome<struct statx> GetExtendedStatus(NodeId node);
  Outcome<struct stat> SetAttributes(NodeId node, const AttributeChange& change);
  Outcome<struct statvfs> Statistics();
  // All of the file system that has the export, to the disk.
  Outcome<void> Synchronize();

  // files.cc. `flags` are those of the program's open(2); what has no meaning here is ignored.
  // ELOOP: not a regular file.
  Outcome<FileDescriptor> Open(NodeId node, int flags);
  Outcome<Opened> Create(NodeId parent, const char* name, int flags, mode_t mode);
  Outcome<Opened> CreateUnnamed(NodeId parent, int flags, mode_t mode);

  // directories.cc. Entries from `offset` on (0, or what an entry said), in the order of the file
  // system, until `take` returns false or the directory ends. About `room` bytes are read at a
  // time. `take` gets the open directory for what it may want to know of the entry.
  using Take = std::function<bool(int directory, const DirectoryEntry& entry)>;
  Outcome<void> ReadDirectory(NodeId node, off_t offset, std::size_t room, const Take& take);
  Outcome<void> SynchronizeDirectory(NodeId node, bool only_data);

  // extended_attributes.cc. `flags`: XATTR_CREATE, XATTR_REPLACE.
  Outcome<void> SetExtendedAttribute(NodeId node, const char* name, std::span<const char> value,
                                     int flags);
  // A room of 0: only the size counts, `value` is empty. ERANGE: it is longer than that.
  struct Value {
    std::vector<char> value;
    std::size_t size = 0;
  };
  Outcome<Value> GetExtendedAttribute(NodeId node, const char* name, std::size_t room);
  // Names, each with its zero. Without `trusted` those that only privileged processes see are left
  // out.
  Outcome<Value> ListExtendedAttributes(NodeId node, std::size_t room, bool trusted);
  Outcome<void> RemoveExtendedAttribute(NodeId node, const char* name);

  // The entry of `name` in an open directory; of what is open itself if the name is empty.
  static Outcome<Entry> EntryOf(int directory, const char* name);

 private:
  // Names that count for nothing are not counted.
  template <typename Count>
  void CorrectLinks(NodeId node, Count* links) {
    if (*links != 0 && unnamed_ && unnamed_->Has(node)) --*links;
  }

  std::unique_ptr<ExportTree> tree_;
  std::unique_ptr<UnnamedFiles> unnamed_;
};

// EINVAL unless it is one component of a path that means neither the directory nor its parent.
Outcome<void> CheckName(const char* name);

// A path that leads to what `descriptor` has open, O_PATH included; a symbolic link is not followed.
class DescriptorPath {
 public:
  explicit DescriptorPath(const FileDescriptor& descriptor);
  const char* get() const { return path_; }

 private:
  char path_[32];
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_FILE_SYSTEM_H_
