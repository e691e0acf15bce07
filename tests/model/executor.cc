// SPDX-License-Identifier: Apache-2.0
#include "tests/model/executor.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

namespace vos::model {
namespace {

constexpr size_t kPage = 4096;
// Of the operations it could break, it breaks one in so many.
constexpr int kBreaksOneIn = 3;

Result Of(int64_t value) { return {value, value < 0 ? errno : 0, {}}; }

std::vector<iovec> Pieces(char* data, size_t size, int pieces) {
  std::vector<iovec> list;
  for (int i = 0; i < pieces; i++) {
    const size_t from = size * i / pieces, to = size * (i + 1) / pieces;
    list.push_back({data + from, to - from});
  }
  return list;
}

}  // namespace

const char* NameOf(Breakage breakage) {
  constexpr const char* kTable[] = {
      "none",           "flipped-byte",    "short-write",    "stale-read",    "lost-resize",
      "wrong-size",     "lost-rename",     "lost-unlink",    "private-store", "stuck-position",
      "unpunched-hole", "misplaced-write", "append-at-start"};
  static_assert(std::size(kTable) == static_cast<size_t>(Breakage::kCount));
  return kTable[static_cast<int>(breakage)];
}

Executor::Executor(const std::string& directory, Breakage breakage, int healthy)
    : directory_(directory + "/"), breakage_(breakage), healthy_(healthy) {
  std::ranges::fill(slots_, -1);
}

Executor::~Executor() {
  for (const int fd : slots_)
    if (fd >= 0) close(fd);
  for (char* mapping : held_)
    if (mapping) munmap(mapping, kMappedBytes);
}

std::string Executor::Path(int name) const { return directory_ + vos::model::NameOf(name); }

bool Executor::Breaks(Breakage breakage) {
  return breakage == breakage_ && done_ > healthy_ && ++candidates_ % kBreaksOneIn == 0;
}

Result Executor::Read(const Operation& o) {
  const int fd = slots_[o.slot];
  Result result;
  result.data.resize(o.size);
  char* const to = result.data.data();
  if (o.kind == Kind::kRead) {
    if (Breaks(Breakage::kStuckPosition))
      result.value = pread(fd, to, o.size, lseek(fd, 0, SEEK_CUR));
    else
      result.value = o.bare ? syscall(SYS_read, fd, to, o.size) : read(fd, to, o.size);
  } else if (o.pieces > 1) {
    const auto list = Pieces(to, o.size, o.pieces);
    result.value = o.bare ? syscall(SYS_preadv, fd, list.data(), list.size(), o.offset, 0)
                          : preadv(fd, list.data(), o.pieces, o.offset);
  } else {
    result.value =
        o.bare ? syscall(SYS_pread64, fd, to, o.size, o.offset) : pread(fd, to, o.size, o.offset);
  }
  if (result.value < 0) result.error = errno;
  result.data.resize(result.value < 0 ? 0 : static_cast<size_t>(result.value));
  if (!result.data.empty() && Breaks(Breakage::kStaleRead)) result.data.back() = '\0';
  return result;
}

Result Executor::Write(const Operation& o) {
  const int fd = slots_[o.slot];
  std::string bytes = Bytes(o.seed, o.size);
  char* const from = bytes.data();
  size_t size = o.size;
  int64_t offset = o.offset, value;
  if (Breaks(Breakage::kFlippedByte) && size > 0) from[size / 2] ^= 1;
  if (Breaks(Breakage::kShortWrite) && size > 1) size--;
  if (Breaks(Breakage::kMisplacedWrite)) offset = (offset + kPage - 1) / kPage * kPage;
  if (o.kind == Kind::kWrite) {
    const bool appends = fcntl(fd, F_GETFL) & O_APPEND;
    if (appends && Breaks(Breakage::kAppendAtStart)) {
      fcntl(fd, F_SETFL, 0);
      value = write(fd, from, size);
      fcntl(fd, F_SETFL, O_APPEND);
    } else {
      value = o.bare ? syscall(SYS_write, fd, from, size) : write(fd, from, size);
    }
  } else if (o.pieces > 1) {
    const auto list = Pieces(from, size, o.pieces);
    value = o.bare ? syscall(SYS_pwritev, fd, list.data(), list.size(), offset, 0)
                   : pwritev(fd, list.data(), o.pieces, offset);
  } else {
    value = o.bare ? syscall(SYS_pwrite64, fd, from, size, offset) : pwrite(fd, from, size, offset);
  }
  if (value == static_cast<int64_t>(size)) value = o.size;
  return Of(value);
}

Result Executor::SeekData(const Operation& o) {
  const int fd = slots_[o.slot];
  const int64_t position = lseek(fd, 0, SEEK_CUR);
  const Result result = Of(lseek(fd, o.offset, o.flags));
  lseek(fd, position, SEEK_SET);
  return result;
}

Result Executor::MapOnce(const Operation& o) {
  const bool stores = o.kind == Kind::kStore;
  const size_t inside = static_cast<size_t>(o.offset) % kPage;
  const int sharing =
      stores && Breaks(Breakage::kPrivateStore) ? MAP_PRIVATE : static_cast<int>(MAP_SHARED);
  void* const address = mmap(nullptr, inside + o.size, stores ? PROT_READ | PROT_WRITE : PROT_READ,
                             sharing, slots_[o.slot], o.offset - static_cast<int64_t>(inside));
  if (address == MAP_FAILED) return Of(-1);
  char* const at = static_cast<char*>(address) + inside;
  Result result;
  result.value = o.size;
  if (stores)
    memcpy(at, Bytes(o.seed, o.size).data(), o.size);
  else
    result.data.assign(at, o.size);
  munmap(address, inside + o.size);
  return result;
}

Result Executor::Copy(const Operation& o) {
  loff_t in = o.offset, out = o.offset2;
  // What is there before: a copy within a file may make it longer.
  struct stat status;
  if (fstat(slots_[o.slot], &status) != 0) return Of(-1);
  const int64_t there = status.st_size - in;
  size_t left = there <= 0 ? o.size : static_cast<size_t>(std::min<int64_t>(there, o.size));
  const size_t all = left;
  while (left > 0) {
    const ssize_t copied = copy_file_range(slots_[o.slot], &in, slots_[o.slot2], &out, left, 0);
    // Less than asked is allowed; it goes on until there is no more.
    if (copied < 0 && left == all) return Of(-1);
    if (copied <= 0) break;
    left -= static_cast<size_t>(copied);
  }
  return Of(static_cast<int64_t>(all - left));
}

Result Executor::List(const Operation& o) {
  DIR* const stream = opendir((directory_ + DirectoryOf(o.name)).c_str());
  if (!stream) return Of(-1);
  std::multiset<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      names.insert(entry->d_name);
  Result result = Of(errno ? -1 : 0);
  closedir(stream);
  for (const std::string& name : names) result.data += name + "\n";
  return result;
}

Result Executor::Run(const Operation& o) {
  done_++;
  int& slot = slots_[o.slot % kSlots];
  char*& held = held_[o.slot2 % kMappings];
  struct stat status;
  switch (o.kind) {
    case Kind::kOpen: {
      if (slot >= 0) close(slot);
      slot = open(Path(o.name).c_str(), o.flags | O_CLOEXEC, 0666);
      return Of(slot < 0 ? -1 : 0);
    }
    case Kind::kClose:
      return Of(close(std::exchange(slot, -1)));
    case Kind::kDuplicate: {
      int& to = slots_[o.slot2];
      if (to >= 0) return Of(dup3(slot, to, O_CLOEXEC) < 0 ? -1 : 0);
      to = fcntl(slot, F_DUPFD_CLOEXEC, 0);
      return Of(to < 0 ? -1 : 0);
    }
    case Kind::kReadAt:
    case Kind::kRead:
      return Read(o);
    case Kind::kWriteAt:
    case Kind::kWrite:
      return Write(o);
    case Kind::kSeek:
      return Of(lseek(slot, o.offset, o.flags));
    case Kind::kSeekData:
      return SeekData(o);
    case Kind::kLoad:
    case Kind::kStore:
      return MapOnce(o);
    case Kind::kMap: {
      if (held) munmap(held, kMappedBytes);
      const bool writable = (fcntl(slot, F_GETFL) & O_ACCMODE) == O_RDWR;
      void* const address =
          mmap(nullptr, kMappedBytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
               slot, 0);
      held = address == MAP_FAILED ? nullptr : static_cast<char*>(address);
      return Of(held ? 0 : -1);
    }
    case Kind::kUnmap:
      return Of(munmap(std::exchange(held, nullptr), kMappedBytes));
    case Kind::kLoadHeld:
      return {o.size, 0, std::string(held + o.offset, o.size)};
    case Kind::kStoreHeld:
      memcpy(held + o.offset, Bytes(o.seed, o.size).data(), o.size);
      return Of(o.size);
    case Kind::kSyncHeld:
      return Of(msync(held, kMappedBytes, MS_SYNC));
    case Kind::kResize:
      if (Breaks(Breakage::kLostResize)) return Of(0);
      return Of(ftruncate(slot, o.offset));
    case Kind::kResizeName:
      if (Breaks(Breakage::kLostResize)) return Of(0);
      return Of(truncate(Path(o.name).c_str(), o.offset));
    case Kind::kAllocate:
      if (o.flags & FALLOC_FL_PUNCH_HOLE && Breaks(Breakage::kUnpunchedHole)) return Of(0);
      return Of(fallocate(slot, o.flags, o.offset, o.size));
    case Kind::kCopy:
      return Copy(o);
    case Kind::kRename:
      if (Breaks(Breakage::kLostRename)) return Of(0);
      return Of(renameat2(AT_FDCWD, Path(o.name).c_str(), AT_FDCWD, Path(o.name2).c_str(),
                          static_cast<unsigned>(o.flags)));
    case Kind::kLink:
      return Of(link(Path(o.name).c_str(), Path(o.name2).c_str()));
    case Kind::kUnlink:
      if (Breaks(Breakage::kLostUnlink)) return Of(0);
      return Of(unlink(Path(o.name).c_str()));
    case Kind::kStatus:
      if (fstat(slot, &status) != 0) return Of(-1);
      if (Breaks(Breakage::kWrongSize)) status.st_size--;
      return Of(StatusValue(status.st_size, static_cast<int64_t>(status.st_nlink)));
    case Kind::kStatusName:
      if (stat(Path(o.name).c_str(), &status) != 0) return Of(-1);
      return Of(StatusValue(status.st_size, static_cast<int64_t>(status.st_nlink)));
    case Kind::kList:
      return List(o);
    case Kind::kSync:
      return Of(o.flags ? fdatasync(slot) : fsync(slot));
    case Kind::kCount:
      break;
  }
  return {-1, ENOSYS, {}};
}

bool CanMoveRanges(const std::string& directory) {
  const std::string name = directory + "/probe";
  const int fd = open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool can = fd >= 0 && ftruncate(fd, 4 * kPage) == 0 &&
                   fallocate(fd, FALLOC_FL_INSERT_RANGE, kPage, kPage) == 0 &&
                   fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, kPage, kPage) == 0;
  if (fd >= 0) close(fd);
  unlink(name.c_str());
  return can;
}

}  // namespace vos::model
