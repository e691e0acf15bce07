// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace vos::model {
namespace {

Result Failed(int error) { return {-1, error, {}}; }
Result Value(int64_t value) { return {value, 0, {}}; }

int64_t SizeOf(const File& file) { return static_cast<int64_t>(file.data.size()); }

std::string Cut(const File& file, int64_t offset, size_t size) {
  if (offset >= SizeOf(file)) return {};
  return file.data.substr(static_cast<size_t>(offset), size);
}

void Store(File& file, int64_t offset, const std::string& bytes) {
  if (bytes.empty()) return;
  const size_t end = static_cast<size_t>(offset) + bytes.size();
  if (file.data.size() < end) file.data.resize(end);
  memcpy(file.data.data() + offset, bytes.data(), bytes.size());
}

}  // namespace

std::string Expectation::Judge(const Result& actual) const {
  if (in_range) {
    if (actual.value == -1 && actual.error == ENXIO && may_find_nothing) return {};
    if (actual.value >= low && actual.value <= high) return {};
    return "gave " + Describe(actual) + ", not a position from " + std::to_string(low) + " to " +
           std::to_string(high);
  }
  if (actual.value != result.value || (actual.value == -1 && actual.error != result.error))
    return "gave " + Describe(actual) + ", not " + Describe(result);
  if (actual.data == result.data) return {};
  const auto [a, b] = std::ranges::mismatch(actual.data, result.data);
  const size_t at = static_cast<size_t>(a - actual.data.begin());
  size_t different = 0;
  for (size_t i = at; i < std::min(actual.data.size(), result.data.size()); i++)
    different += actual.data[i] != result.data[i];
  char text[200];
  snprintf(text, sizeof(text),
           "gave %zu bytes, not %zu; the first different one is number %zu, %#x, not %#x; %zu are",
           actual.data.size(), result.data.size(), at,
           a == actual.data.end() ? ~0u : static_cast<unsigned char>(*a),
           b == result.data.end() ? ~0u : static_cast<unsigned char>(*b), different);
  return text;
}

std::shared_ptr<File> Model::Named(int name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : found->second;
}

Result Model::Open(const Operation& o) {
  auto& slot = slots_[o.worker][o.slot];
  slot.reset();
  std::shared_ptr<File> file = Named(o.name);
  if (!file) {
    if (!(o.flags & O_CREAT)) return Failed(ENOENT);
    file = std::make_shared<File>();
    file->links = 1;
    names_[o.name] = file;
  } else if ((o.flags & O_CREAT) && (o.flags & O_EXCL)) {
    return Failed(EEXIST);
  }
  if (o.flags & O_TRUNC) file->data.clear();
  slot = std::make_shared<Description>();
  slot->file = file;
  slot->writable = (o.flags & O_ACCMODE) == O_RDWR;
  slot->appends = o.flags & O_APPEND;
  return Value(0);
}

Result Model::Write(const Operation& o, Description& description, int64_t offset) {
  if (!description.writable) return Failed(EBADF);
  if (description.appends) offset = SizeOf(*description.file);
  Store(*description.file, offset, Bytes(o.seed, o.size));
  if (o.kind == Kind::kWrite) description.position = offset + o.size;
  return Value(o.size);
}

Result Model::Allocate(const Operation& o, Description& description) {
  if (!description.writable) return Failed(EBADF);
  std::string& data = description.file->data;
  const size_t from = static_cast<size_t>(o.offset), to = from + o.size;
  if (o.flags & FALLOC_FL_COLLAPSE_RANGE) {
    if (to >= data.size()) return Failed(EINVAL);
    data.erase(from, o.size);
    return Value(0);
  }
  if (o.flags & FALLOC_FL_INSERT_RANGE) {
    if (from >= data.size()) return Failed(EINVAL);
    data.insert(from, o.size, '\0');
    return Value(0);
  }
  if (!(o.flags & FALLOC_FL_KEEP_SIZE) && to > data.size()) data.resize(to);
  if (o.flags & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
    const size_t end = std::min(to, data.size());
    if (from < end) memset(data.data() + from, 0, end - from);
  }
  return Value(0);
}

Result Model::Copy(const Operation& o, Description& from, Description& to) {
  if (!to.writable || to.appends) return Failed(EBADF);
  const int64_t size = std::clamp<int64_t>(SizeOf(*from.file) - o.offset, 0, o.size);
  if (from.file == to.file && o.offset2 + size > o.offset && o.offset2 < o.offset + size)
    return Failed(EINVAL);
  Store(*to.file, o.offset2, Cut(*from.file, o.offset, static_cast<size_t>(size)));
  return Value(size);
}

Result Model::Rename(const Operation& o) {
  const auto from = Named(o.name), to = Named(o.name2);
  if (!from) return Failed(ENOENT);
  if ((o.flags & RENAME_NOREPLACE) && to) return Failed(EEXIST);
  if ((o.flags & RENAME_EXCHANGE) && !to) return Failed(ENOENT);
  if (from == to) return Value(0);
  names_[o.name2] = from;
  if (o.flags & RENAME_EXCHANGE) {
    names_[o.name] = to;
    return Value(0);
  }
  names_.erase(o.name);
  if (to) to->links--;
  return Value(0);
}

std::string Model::List(int directory) const {
  const std::string prefix = DirectoryOf(directory);
  std::set<std::string> found;
  if (prefix.empty())
    for (int i = 1; i < kDirectories; i++) {
      const std::string name = DirectoryOf(i);
      found.insert(name.substr(0, name.size() - 1));
    }
  for (const auto& [name, file] : names_) {
    const std::string path = NameOf(name);
    if (prefix.empty() ? path.find('/') == path.npos : path.starts_with(prefix))
      found.insert(path.substr(prefix.size()));
  }
  std::string list;
  for (const std::string& name : found) list += name + "\n";
  return list;
}

Expectation Model::Apply(const Operation& o) {
  auto& slot = slots_[o.worker][o.slot % kSlots];
  Expectation expected;
  Result& result = expected.result;
  switch (o.kind) {
    case Kind::kOpen:
      result = Open(o);
      break;
    case Kind::kClose:
      slot.reset();
      break;
    case Kind::kDuplicate:
      slots_[o.worker][o.slot2] = slot;
      break;
    case Kind::kReadAt:
      result.data = Cut(*slot->file, o.offset, o.size);
      result.value = static_cast<int64_t>(result.data.size());
      break;
    case Kind::kRead:
      result.data = Cut(*slot->file, slot->position, o.size);
      result.value = static_cast<int64_t>(result.data.size());
      slot->position += result.value;
      break;
    case Kind::kWriteAt:
      result = Write(o, *slot, o.offset);
      break;
    case Kind::kWrite:
      result = Write(o, *slot, slot->position);
      break;
    case Kind::kSeek: {
      int64_t to = o.offset;
      if (o.flags == SEEK_CUR) to += slot->position;
      if (o.flags == SEEK_END) to += SizeOf(*slot->file);
      if (to < 0) {
        result = Failed(EINVAL);
      } else {
        slot->position = to;
        result = Value(to);
      }
      break;
    }
    case Kind::kSeekData: {
      const int64_t size = SizeOf(*slot->file);
      if (o.offset >= size) {
        result = Failed(ENXIO);
        break;
      }
      expected.in_range = true;
      expected.low = o.offset;
      expected.high = size;
      if (o.flags == SEEK_DATA) {
        // Zeros may have room of their own, so they count as either.
        const size_t first =
            slot->file->data.find_first_not_of('\0', static_cast<size_t>(o.offset));
        expected.may_find_nothing = first == std::string::npos;
        if (!expected.may_find_nothing) expected.high = static_cast<int64_t>(first);
      }
      break;
    }
    case Kind::kLoad:
      result.data = Cut(*slot->file, o.offset, o.size);
      result.value = o.size;
      break;
    case Kind::kStore:
      Store(*slot->file, o.offset, Bytes(o.seed, o.size));
      result.value = o.size;
      break;
    case Kind::kMap:
      held_[o.worker][o.slot2] = slot->file;
      break;
    case Kind::kUnmap:
      held_[o.worker][o.slot2].reset();
      break;
    case Kind::kLoadHeld:
      result.data = Cut(*held_[o.worker][o.slot2], o.offset, o.size);
      result.value = o.size;
      break;
    case Kind::kStoreHeld:
      Store(*held_[o.worker][o.slot2], o.offset, Bytes(o.seed, o.size));
      result.value = o.size;
      break;
    case Kind::kResize:
      if (!slot->writable)
        result = Failed(EINVAL);
      else
        slot->file->data.resize(static_cast<size_t>(o.offset));
      break;
    case Kind::kResizeName:
      if (const auto file = Named(o.name))
        file->data.resize(static_cast<size_t>(o.offset));
      else
        result = Failed(ENOENT);
      break;
    case Kind::kAllocate:
      result = Allocate(o, *slot);
      break;
    case Kind::kCopy:
      result = Copy(o, *slot, *slots_[o.worker][o.slot2]);
      break;
    case Kind::kRename:
      result = Rename(o);
      break;
    case Kind::kLink:
      if (const auto file = Named(o.name); !file) {
        result = Failed(ENOENT);
      } else if (Named(o.name2)) {
        result = Failed(EEXIST);
      } else {
        names_[o.name2] = file;
        file->links++;
      }
      break;
    case Kind::kUnlink:
      if (const auto file = Named(o.name)) {
        file->links--;
        names_.erase(o.name);
      } else {
        result = Failed(ENOENT);
      }
      break;
    case Kind::kStatus:
      result.value = StatusValue(SizeOf(*slot->file), slot->file->links);
      break;
    case Kind::kStatusName:
      if (const auto file = Named(o.name))
        result.value = StatusValue(SizeOf(*file), file->links);
      else
        result = Failed(ENOENT);
      break;
    case Kind::kList:
      result.data = List(o.name);
      break;
    case Kind::kSyncHeld:
    case Kind::kSync:
    case Kind::kCount:
      break;
  }
  return expected;
}

}  // namespace vos::model
