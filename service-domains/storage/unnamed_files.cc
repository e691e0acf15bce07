// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/unnamed_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <format>
#include <utility>
#include <vector>

namespace vos::storage {
namespace {

constexpr char kNow[] = "/unnamed";
constexpr char kBefore[] = "/unnamed-before";
constexpr std::size_t kNameLength = 16;

std::string NameOf(NodeId node) { return std::format("{:016x}", node); }

Outcome<FileDescriptor> OpenDirectory(const std::string& path) {
  FileDescriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return Refuse();
  return directory;
}

// All that an open directory has of files without a name.
std::vector<NodeId> NodesIn(int directory) {
  std::vector<NodeId> nodes;
  const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) return nodes;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(own), closedir);
  if (!stream) {
    close(own);
    return nodes;
  }
  while (const dirent* entry = readdir(stream.get())) {
    if (const NodeId node = UnnamedFiles::NodeOfName(entry->d_name)) nodes.push_back(node);
  }
  return nodes;
}

}  // namespace

Outcome<void> UnnamedFiles::Begin(const std::string& top) {
  for (const char* name : {kNow, kBefore}) {
    if (mkdir((top + name).c_str(), 0700) != 0 && errno != EEXIST) return Refuse();
  }
  const auto now = OpenDirectory(top + kNow);
  if (!now) return std::unexpected(now.error());
  const auto before = OpenDirectory(top + kBefore);
  if (!before) return std::unexpected(before.error());
  for (const NodeId node : NodesIn(now->get())) {
    const std::string name = NameOf(node);
    if (renameat(now->get(), name.c_str(), before->get(), name.c_str()) != 0) return Refuse();
  }
  return {};
}

Outcome<std::unique_ptr<UnnamedFiles>> UnnamedFiles::Open(const std::string& top) {
  auto now = OpenDirectory(top + kNow);
  if (!now) return std::unexpected(now.error());
  auto before = OpenDirectory(top + kBefore);
  if (!before) return std::unexpected(before.error());
  std::unique_ptr<UnnamedFiles> files(new UnnamedFiles(std::move(*now), std::move(*before)));
  for (const NodeId node : NodesIn(files->now_.get())) files->Insert(node, true);
  for (const NodeId node : NodesIn(files->before_.get())) files->Insert(node, false);
  return files;
}

NodeId UnnamedFiles::NodeOfName(std::string_view name) {
  NodeId node = 0;
  const char* const end = name.data() + name.size();
  if (name.size() != kNameLength) return 0;
  const auto [stop, error] = std::from_chars(name.data(), end, node, 16);
  return error == std::errc() && stop == end && NameOf(node) == name ? node : 0;
}

void UnnamedFiles::Insert(NodeId node, bool claimed) {
  const std::lock_guard lock(mutex_);
  (claimed ? claimed_ : unclaimed_).insert(node);
  count_ = claimed_.size() + unclaimed_.size();
}

void UnnamedFiles::Erase(NodeId node) {
  const std::lock_guard lock(mutex_);
  claimed_.erase(node);
  unclaimed_.erase(node);
  count_ = claimed_.size() + unclaimed_.size();
}

std::pair<bool, bool> UnnamedFiles::Find(NodeId node) {
  if (count_ == 0) return {false, false};
  const std::lock_guard lock(mutex_);
  const bool claimed = claimed_.contains(node);
  return {claimed || unclaimed_.contains(node), claimed};
}

bool UnnamedFiles::Has(NodeId node) { return Find(node).first; }

Outcome<void> UnnamedFiles::TakeName(NodeId node, int directory, const char* name) {
  const std::lock_guard order(order_);
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return Refuse();
  // In one step: a crash leaves it with one of the two names.
  if (S_ISREG(status.st_mode) && status.st_nlink == 1 &&
      renameat2(directory, name, now_.get(), NameOf(node).c_str(), RENAME_NOREPLACE) == 0) {
    Insert(node, true);
    return {};
  }
  return Done(unlinkat(directory, name, 0));
}

bool UnnamedFiles::Keep(NodeId node, int directory, const char* name) {
  const std::lock_guard order(order_);
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode) ||
      status.st_nlink != 1 || linkat(directory, name, now_.get(), NameOf(node).c_str(), 0) != 0) {
    return false;
  }
  Insert(node, true);
  return true;
}

void UnnamedFiles::Add(NodeId node, int file) {
  if (linkat(file, "", now_.get(), NameOf(node).c_str(), AT_EMPTY_PATH) == 0) Insert(node, true);
}

Outcome<void> UnnamedFiles::GiveName(NodeId node, int directory, const char* name) {
  const std::lock_guard order(order_);
  const auto& from = Find(node).second ? now_ : before_;
  if (renameat2(from.get(), NameOf(node).c_str(), directory, name, RENAME_NOREPLACE) != 0) {
    return Refuse();
  }
  Erase(node);
  return {};
}

void UnnamedFiles::Claim(NodeId node) {
  const std::string name = NameOf(node);
  const auto [known, claimed] = Find(node);
  if (!known || claimed ||
      renameat2(before_.get(), name.c_str(), now_.get(), name.c_str(), RENAME_NOREPLACE) != 0) {
    return;
  }
  const std::lock_guard lock(mutex_);
  unclaimed_.erase(node);
  claimed_.insert(node);
}

Outcome<void> UnnamedFiles::Close(NodeId node) {
  const auto [known, claimed] = Find(node);
  if (!known) return Refuse(ENOENT);
  if (unlinkat((claimed ? now_ : before_).get(), NameOf(node).c_str(), 0) != 0) return Refuse();
  Erase(node);
  return {};
}

Outcome<void> UnnamedFiles::Sweep() {
  std::vector<NodeId> nodes;
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    for (const NodeId node : unclaimed_) {
      more = nodes.size() == kSweepAtOnce;
      if (more) break;
      nodes.push_back(node);
    }
  }
  for (const NodeId node : nodes) {
    if (auto closed = Close(node); !closed && closed.error() != ENOENT) return closed;
  }
  return more ? Outcome<void>(Refuse(ENOTEMPTY)) : Outcome<void>();
}

}  // namespace vos::storage
