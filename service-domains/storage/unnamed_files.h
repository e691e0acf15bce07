// SPDX-License-Identifier: Apache-2.0
// Files that the primary has open and that have no name. Each has one all the same, in a directory
// beside the export that nobody sees, so that they are found again by their node when this domain
// has died: its file system would free what has none. The name there is the node in hex.
//
// There are two such directories. Files come into the first one when they lose their last name, or
// are made without one. When a domain begins, all of them move to the second one; who opens one
// again moves it back. What is left in the second when the primary says that it has opened all it
// wants is nobody's. So nothing is leaked for longer than until the next domain begins.
#ifndef VIRTUOS_SERVICE_DOMAINS_STORAGE_UNNAMED_FILES_H_
#define VIRTUOS_SERVICE_DOMAINS_STORAGE_UNNAMED_FILES_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "service-domains/storage/export_tree.h"
#include "service-domains/storage/outcome.h"
#include "tools/common/file_descriptor.h"

namespace vos::storage {

class UnnamedFiles {
 public:
  // Files that one Sweep() frees: it has to be answered in time.
  static constexpr std::size_t kSweepAtOnce = 64;

  // A domain begins with the file system mounted at `top`. A failure only means that files without
  // a name are lost with this domain: a disk that cannot be written has none to come.
  static Outcome<void> Begin(const std::string& top);

  // Of the file system mounted at `top`.
  static Outcome<std::unique_ptr<UnnamedFiles>> Open(const std::string& top);

  // The node of a name there, as the primary says it; 0: it is none.
  static NodeId NodeOfName(std::string_view name);

  // Has it a name that counts for nothing?
  bool Has(NodeId node);

  // Takes a name from a file, keeping the file if it was the last one. If it cannot be kept, for
  // want of room, it loses its name all the same.
  Outcome<void> TakeName(NodeId node, int directory, const char* name);
  // The file that has this name is about to lose it, to another file that is renamed. Returns
  // whether Close() has to undo it if nothing comes of that.
  bool Keep(NodeId node, int directory, const char* name);
  // A file that was made without a name.
  void Add(NodeId node, int file);
  // It gets a name; EEXIST as for link(2).
  Outcome<void> GiveName(NodeId node, int directory, const char* name);

  // Somebody has it open.
  void Claim(NodeId node);
  // Nobody has it open any more. ENOENT: it was not here.
  Outcome<void> Close(NodeId node);
  // Frees some of what was not claimed. ENOTEMPTY: there is more.
  Outcome<void> Sweep();

 private:
  UnnamedFiles(FileDescriptor now, FileDescriptor before)
      : now_(std::move(now)), before_(std::move(before)) {}
  void Insert(NodeId node, bool claimed);
  // Returns whether it was there, and claimed.
  std::pair<bool, bool> Find(NodeId node);
  void Erase(NodeId node);

  const FileDescriptor now_;
  const FileDescriptor before_;
  // One who counts the names of a file and acts on it at a time.
  std::mutex order_;
  std::mutex mutex_;
  std::unordered_set<NodeId> claimed_;    // in now_; under mutex_
  std::unordered_set<NodeId> unclaimed_;  // in before_; under mutex_
  std::atomic<std::size_t> count_ = 0;    // of both
};

}  // namespace vos::storage

#endif  // VIRTUOS_SERVICE_DOMAINS_STORAGE_UNNAMED_FILES_H_
