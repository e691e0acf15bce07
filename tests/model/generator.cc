// SPDX-License-Identifier: Apache-2.0
#include "tests/model/generator.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace vos::model {
namespace {

constexpr int kFreeNames = kNames - 1;  // without the striped one
constexpr int kFreeSlots = kSlots - 1;  // without the one that holds the striped file
constexpr int kStripedSlot = kSlots - 1;
constexpr int64_t kFarthest = 200'000;  // where a write begins at most
constexpr int64_t kLargest = 400'000;   // what grows by appending stops growing there
constexpr int64_t kBlock = 4096;
constexpr int kStepsOfProcess = 8;   // of a round in which all run at once, each
constexpr int kMostStepsAlone = 12;  // of a round in which one runs at a time
constexpr int kTries = 200;

int64_t SizeOf(const File& file) { return static_cast<int64_t>(file.data.size()); }

}  // namespace

bool Generator::MayUse(int worker, bool alone, const std::shared_ptr<File>& file) {
  return alone || !file || owners_.try_emplace(file.get(), worker).first->second == worker;
}

bool Generator::MayUseName(int worker, bool alone, int name) {
  return alone ||
         ((static_cast<uint32_t>(name) + round_) % kWorkers == static_cast<uint32_t>(worker) &&
          MayUse(worker, alone, model_.Named(name)));
}

// Sizes: mostly small, some larger than what a ring carries in one request.
uint32_t Generator::Size() {
  switch (random_.Below(16)) {
    case 0:
      return 1 + random_.Below(150'000);
    case 1:
    case 2:
      return 1 + random_.Below(65'536);
    case 3:
    case 4:
    case 5:
    case 6:
      return 1 + random_.Below(20'000);
    case 7:
      return static_cast<uint32_t>(kBlock) << random_.Below(4);
    default:
      return 1 + random_.Below(5'000);
  }
}

int64_t Generator::Offset(int64_t near) {
  switch (random_.Below(6)) {
    case 0:
      return 0;
    case 1:  // beside a block's edge
      return std::max<int64_t>(
          0, kBlock * random_.Below(kFarthest / kBlock) + int64_t{random_.Below(5)} - 2);
    case 2:
      return std::clamp<int64_t>(near + int64_t{random_.Below(9)} - 4, 0, kFarthest);
    case 3:
    case 4:
      return random_.Below(20'000);
    default:
      return random_.Below(kFarthest);
  }
}

bool Generator::ProposeStriped(int worker, Operation& o) {
  constexpr uint32_t kStripes = kStripedBytes / kStripe;
  const uint32_t stripe =
      random_.Below(kStripes / kWorkers) * kWorkers + static_cast<uint32_t>(worker);
  const uint32_t inside = random_.Below(kStripe);
  constexpr Kind kKinds[] = {Kind::kReadAt, Kind::kWriteAt, Kind::kLoad, Kind::kStore,
                             Kind::kWriteAt};
  o.kind = kKinds[random_.Below(std::size(kKinds))];
  o.slot = kStripedSlot;
  o.offset = int64_t{stripe} * static_cast<int64_t>(kStripe) + inside;
  o.size = 1 + random_.Below(static_cast<uint32_t>(kStripe) - inside);
  return true;
}

bool Generator::ProposeData(Operation& o) {
  const Description& description = *model_.At(o.worker, o.slot);
  const int64_t size = SizeOf(*description.file);
  o.offset = Offset(size);
  o.size = Size();
  o.seed = ++seeds_;
  if (random_.OneIn(4)) o.pieces = static_cast<uint8_t>(2 + random_.Below(3));
  switch (random_.Below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
      o.kind = Kind::kReadAt;
      return true;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
      o.kind = Kind::kWriteAt;
      return !description.appends || size + o.size < kLargest;
    case 11:
    case 12:
      o.kind = Kind::kRead;
      return true;
    case 13:
    case 14:
    case 15:
      o.kind = Kind::kWrite;
      return (description.appends ? size : description.position) + o.size < kLargest;
    case 16: {
      o.kind = Kind::kSeek;
      constexpr int kWhence[] = {SEEK_SET, SEEK_CUR, SEEK_END};
      o.flags = kWhence[random_.Below(3)];
      if (o.flags != SEEK_SET) o.offset = int64_t{random_.Below(40'000)} - 20'000;
      const int64_t from = o.flags == SEEK_SET   ? 0
                           : o.flags == SEEK_CUR ? description.position
                                                 : size;
      return from + o.offset <= kFarthest;
    }
    case 17:
      o.kind = Kind::kSeekData;
      o.flags = random_.OneIn(2) ? SEEK_DATA : SEEK_HOLE;
      return true;
    case 18:
      o.kind = Kind::kSync;
      o.flags = random_.OneIn(2);
      return true;
    default:
      o.kind = Kind::kStatus;
      return true;
  }
}

bool Generator::ProposeMapped(Operation& o, bool alone) {
  o.seed = ++seeds_;
  const auto inside = [&](const File& file) {
    const int64_t size = SizeOf(file);
    if (size == 0) return false;
    o.offset = random_.Below(static_cast<uint32_t>(size));
    o.size = 1 + static_cast<uint32_t>(std::min<int64_t>(Size(), size - o.offset) - 1);
    return true;
  };
  if (random_.OneIn(2)) {
    o.slot2 = static_cast<uint8_t>(random_.Below(kMappings));
    const std::shared_ptr<File>& file = model_.Held(o.worker, o.slot2);
    if (!file || !MayUse(o.worker, alone, file)) return false;
    switch (random_.Below(8)) {
      case 0:
        o.kind = Kind::kSyncHeld;
        return true;
      case 1:
      case 2:  // soon, so that files are mostly not mapped
        o.kind = Kind::kUnmap;
        return true;
      default:
        o.kind = random_.OneIn(2) ? Kind::kLoadHeld : Kind::kStoreHeld;
        return inside(*file);
    }
  }
  const Description* description = model_.At(o.worker, o.slot);
  if (!description || !MayUse(o.worker, alone, description->file)) return false;
  if (random_.OneIn(6)) {
    o.kind = Kind::kMap;
    o.slot2 = static_cast<uint8_t>(random_.Below(kMappings));
    return description->writable;
  }
  o.kind = random_.OneIn(2) ? Kind::kLoad : Kind::kStore;
  if (o.kind == Kind::kStore && !description->writable) return false;
  return inside(*description->file);
}

bool Generator::Propose(int worker, bool alone, Operation& o) {
  o = {};
  o.worker = static_cast<uint8_t>(worker);
  o.bare = random_.OneIn(3);
  o.pieces = 1;
  o.slot = static_cast<uint8_t>(random_.Below(kFreeSlots));
  o.slot2 = static_cast<uint8_t>(random_.Below(kFreeSlots));
  o.name = static_cast<uint8_t>(random_.Below(kFreeNames));
  o.name2 = static_cast<uint8_t>(random_.Below(kFreeNames));
  const uint32_t choice = random_.Below(100);
  if (choice < 12) {
    o.seed = ++seeds_;
    return ProposeStriped(worker, o);
  }
  if (choice < 24) return ProposeMapped(o, alone);

  const Description* description = model_.At(worker, o.slot);
  const bool usable = description && MayUse(worker, alone, description->file);
  if (choice < 68) return usable && ProposeData(o);

  if (choice < 76) {
    constexpr int kFlags[] = {O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_TRUNC, O_CREAT | O_TRUNC, 0};
    o.kind = Kind::kOpen;
    o.flags = kFlags[random_.Below(std::size(kFlags))] | O_RDWR;
    if (random_.OneIn(5)) o.flags |= O_APPEND;
    if (random_.OneIn(6)) o.flags = O_RDONLY;
    return MayUseName(worker, alone, o.name);
  }
  switch (choice) {
    case 76:
    case 77:
      o.kind = Kind::kClose;
      return description;
    case 78:
      o.kind = Kind::kDuplicate;
      return description && o.slot != o.slot2;
    case 79:
    case 80:
    case 81:
      o.kind = Kind::kResize;
      o.offset = usable ? Offset(SizeOf(*description->file)) : 0;
      return usable;
    case 82:
      o.kind = Kind::kResizeName;
      o.offset = Offset(0);
      return MayUseName(worker, alone, o.name);
    case 83:
    case 84:
    case 85: {
      if (!usable) return false;
      constexpr int kModes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_COLLAPSE_RANGE,
                                FALLOC_FL_INSERT_RANGE};
      o.kind = Kind::kAllocate;
      o.flags = kModes[random_.Below(move_ranges_ ? std::size(kModes) : 4)];
      o.offset = Offset(SizeOf(*description->file));
      o.size = Size();
      if (!(o.flags & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))) return true;
      o.offset = o.offset / kBlock * kBlock;
      o.size = (o.size + kBlock - 1) / kBlock * kBlock;
      return SizeOf(*description->file) + o.size <= kLargest;
    }
    case 86:
    case 87: {
      const Description* to = model_.At(worker, o.slot2);
      o.kind = Kind::kCopy;
      if (!usable || !to || !MayUse(worker, alone, to->file)) return false;
      o.offset = Offset(SizeOf(*description->file));
      o.offset2 = Offset(SizeOf(*to->file));
      o.size = Size();
      return true;
    }
    case 88:
    case 89:
    case 90: {
      constexpr unsigned kFlags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
      o.kind = Kind::kRename;
      o.flags = static_cast<int32_t>(kFlags[random_.Below(exchanges_ ? 4 : 3)]);
      break;
    }
    case 91:
    case 92:
      o.kind = Kind::kLink;
      break;
    case 93:
    case 94:
    case 95:
      o.kind = Kind::kUnlink;
      return MayUseName(worker, alone, o.name);
    case 96:
    case 97:
    case 98:
      o.kind = Kind::kStatusName;
      return MayUseName(worker, alone, o.name);
    default:
      o.kind = Kind::kList;
      o.name = static_cast<uint8_t>(random_.Below(kDirectories));
      return alone;
  }
  return MayUseName(worker, alone, o.name) && MayUseName(worker, alone, o.name2);
}

Round Generator::Next() {
  round_++;
  owners_.clear();
  const bool alone = random_.OneIn(2);
  Round round{!alone, {}};
  const uint32_t count = alone ? 1 + random_.Below(kMostStepsAlone) : kWorkers * kStepsOfProcess;
  for (uint32_t i = 0; i < count; i++) {
    const int worker =
        alone ? static_cast<int>(random_.Below(kWorkers)) : static_cast<int>(i / kStepsOfProcess);
    Operation operation;
    for (int tries = 0; tries < kTries; tries++) {
      if (!Propose(worker, alone, operation)) continue;
      round.steps.push_back(Take(operation));
      break;
    }
  }
  return round;
}

Round Generator::Beginning() {
  Round round;
  std::vector<Step>& steps = round.steps;
  for (int worker = 0; worker < kWorkers; worker++) {
    Operation o = {};
    o.worker = static_cast<uint8_t>(worker);
    o.kind = Kind::kOpen;
    o.slot = kStripedSlot;
    o.name = kStripedName;
    o.flags = O_RDWR | O_CREAT;
    steps.push_back(Take(o));
    if (worker > 0) continue;
    o.kind = Kind::kWriteAt;
    o.pieces = 1;
    o.size = kStripedBytes;
    o.seed = ++seeds_;
    steps.push_back(Take(o));
  }
  return round;
}

Round Generator::Inspection(int worker) {
  Round round;
  std::vector<Step>& steps = round.steps;
  Operation o = {};
  o.worker = static_cast<uint8_t>(worker);
  o.pieces = 1;
  o.kind = Kind::kList;
  for (o.name = 0; o.name < kDirectories; o.name++) steps.push_back(Take(o));
  for (o.name = 0; o.name < kNames; o.name++) {
    o.kind = Kind::kStatusName;
    steps.push_back(Take(o));
    if (!model_.Named(o.name)) continue;
    o.kind = Kind::kOpen;
    o.flags = O_RDONLY;
    steps.push_back(Take(o));
    o.kind = Kind::kReadAt;
    o.size = kMaxFile;
    steps.push_back(Take(o));
    o.kind = Kind::kClose;
    steps.push_back(Take(o));
  }
  return round;
}

}  // namespace vos::model
