// SPDX-License-Identifier: Apache-2.0
#include "service-domains/storage/fault_layer.h"

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace vos::storage {
namespace {

constexpr char kControl[] = "/dev/mapper/control";

constexpr unsigned kSector = 512;
constexpr unsigned kMaxExtents = 256;  // of one file; more are left alone

// A device-mapper command about the layer.
std::vector<char> Command(const std::string& layer) {
  std::vector<char> command(sizeof(dm_ioctl));
  auto* head = reinterpret_cast<dm_ioctl*>(command.data());
  head->version[0] = DM_VERSION_MAJOR;
  head->data_size = static_cast<std::uint32_t>(command.size());
  head->data_start = sizeof(dm_ioctl);
  std::strncpy(head->name, layer.c_str(), sizeof(head->name) - 1);
  return command;
}

Outcome<void> LoadTable(int control, const std::string& layer, const std::vector<Target>& table) {
  std::vector<char> command = Command(layer);
  for (const Target& target : table) {
    dm_target_spec specification{};
    specification.sector_start = target.range.first;
    specification.length = target.range.count;
    std::strncpy(specification.target_type, target.type.c_str(),
                 sizeof(specification.target_type) - 1);
    const std::size_t size = (sizeof(specification) + target.parameters.size() + 1 + 7) / 8 * 8;
    specification.next = static_cast<std::uint32_t>(size);
    const std::size_t at = command.size();
    command.resize(at + size);
    std::memcpy(command.data() + at, &specification, sizeof(specification));
    std::memcpy(command.data() + at + sizeof(specification), target.parameters.c_str(),
                target.parameters.size() + 1);
  }
  auto* head = reinterpret_cast<dm_ioctl*>(command.data());
  head->data_size = static_cast<std::uint32_t>(command.size());
  head->target_count = static_cast<std::uint32_t>(table.size());
  return Done(ioctl(control, DM_TABLE_LOAD, head));
}

// Waits for what is under way, and keeps what comes. The file system is not frozen: that would write
// to the disk.
constexpr std::uint32_t kSuspend = DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG;
// Goes on, with the table that was loaded last.
constexpr std::uint32_t kResume = 0;

Outcome<void> Switch(int control, const std::string& layer, std::uint32_t flags) {
  std::vector<char> command = Command(layer);
  auto* head = reinterpret_cast<dm_ioctl*>(command.data());
  head->flags = flags;
  return Done(ioctl(control, DM_DEV_SUSPEND, head));
}

}  // namespace

std::vector<Target> FaultTable(const std::string& disk, std::uint64_t sectors,
                               std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::first);
  std::vector<Target> table;
  std::uint64_t next = 0;  // sectors before it are in the table
  const auto add = [&](std::uint64_t end, bool failing) {
    if (end <= next) return;
    const Range range{next, end - next};
    // Not dm-flakey: it would fail the flushes of the whole disk as well.
    if (failing) table.push_back({range, "error", ""});
    if (!failing) table.push_back({range, "linear", disk + " " + std::to_string(next)});
    next = end;
  };
  for (const Range& range : ranges) {
    const std::uint64_t first = std::min(range.first, sectors);
    add(first, false);
    add(first + std::min(range.count, sectors - first), true);
  }
  add(sectors, false);
  return table;
}

Outcome<std::vector<Range>> RangesOfFile(int file) {
  std::vector<char> request(sizeof(fiemap) + kMaxExtents * sizeof(fiemap_extent));
  auto* map = reinterpret_cast<fiemap*>(request.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kMaxExtents;
  if (ioctl(file, FS_IOC_FIEMAP, map) != 0) return Refuse();
  std::vector<Range> ranges;
  for (const fiemap_extent& extent :
       std::span(map->fm_extents, std::min(map->fm_mapped_extents, kMaxExtents))) {
    if ((extent.fe_flags & FIEMAP_EXTENT_UNKNOWN) != 0) continue;
    ranges.push_back({extent.fe_physical / kSector, extent.fe_length / kSector});
  }
  return ranges;
}

Outcome<FaultLayer> FaultLayer::Create(const std::string& name, const std::string& disk,
                                       std::uint64_t sectors) {
  FileDescriptor control(open(kControl, O_RDWR | O_CLOEXEC));
  if (!control) return Refuse();
  std::vector<char> command = Command(name);
  auto* head = reinterpret_cast<dm_ioctl*>(command.data());
  if (ioctl(control.get(), DM_DEV_CREATE, head) != 0) return Refuse();
  FaultLayer layer(std::move(control), name, disk, sectors,
                   "dm-" + std::to_string(minor(head->dev)));
  if (auto loaded = layer.Fail({}); !loaded) {
    return std::unexpected(loaded.error());
  }
  return layer;
}

Outcome<void> FaultLayer::Fail(const std::vector<Range>& ranges) {
  if (auto loaded = LoadTable(control_.get(), layer_, FaultTable(disk_, sectors_, ranges));
      !loaded) {
    return loaded;
  }
  if (auto held = Hold(); !held) return held;
  return Switch(control_.get(), layer_, kResume);
}

Outcome<void> FaultLayer::Hold() { return Switch(control_.get(), layer_, kSuspend); }

}  // namespace vos::storage
