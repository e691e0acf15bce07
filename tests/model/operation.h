// SPDX-License-Identifier: Apache-2.0
// What the model checker does to a directory: one operation, as it is sent to a process, and its result.
#ifndef VIRTUOS_TESTS_MODEL_OPERATION_H_
#define VIRTUOS_TESTS_MODEL_OPERATION_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace vos::model {

inline constexpr int kWorkers = 4;   // processes
inline constexpr int kSlots = 6;     // descriptors of a process
inline constexpr int kMappings = 2;  // mappings a process holds
inline constexpr int kNames = 12;
inline constexpr int kDirectories = 3;
// Where a mapping that is held ends; what is written lies below, but for fallocate's insertions.
inline constexpr size_t kMappedBytes = 512 << 10;
inline constexpr size_t kMaxFile = kMappedBytes;
// A file of fixed size, of whose stripes each process has its own in rounds where all run at once.
inline constexpr int kStripedName = kNames - 1;
inline constexpr size_t kStripedBytes = 120'000, kStripe = 5'000;

const char* DirectoryOf(int directory);  // "", "a/", ...
const char* NameOf(int name);            // "n0", "a/n4", ...

enum class Kind : uint8_t {
  kOpen,        // name, flags -> slot
  kClose,       // slot
  kDuplicate,   // slot -> slot2
  kReadAt,      // slot, offset, size, pieces
  kWriteAt,     // slot, offset, size, seed, pieces
  kRead,        // slot, size
  kWrite,       // slot, size, seed
  kSeek,        // slot, offset, flags: whence
  kSeekData,    // slot, offset, flags: SEEK_DATA or SEEK_HOLE; the position stays
  kLoad,        // slot, offset, size: by a mapping made for it
  kStore,       // slot, offset, size, seed
  kMap,         // slot -> slot2, a mapping that is held
  kUnmap,       // slot2
  kLoadHeld,    // slot2, offset, size
  kStoreHeld,   // slot2, offset, size, seed
  kSyncHeld,    // slot2
  kResize,      // slot, offset
  kResizeName,  // name, offset
  kAllocate,    // slot, flags: mode, offset, size
  kCopy,        // slot, offset -> slot2, offset2, size
  kRename,      // name, name2, flags
  kLink,        // name, name2
  kUnlink,      // name
  kStatus,      // slot
  kStatusName,  // name
  kList,        // name: a directory
  kSync,        // slot, flags: 1 fdatasync
  kCount
};

struct Operation {
  Kind kind;
  uint8_t worker;
  // By a bare system call, not by the C library's function, which the shim may take.
  bool bare;
  uint8_t slot, slot2;
  uint8_t name, name2;
  uint8_t pieces;
  int32_t flags;
  uint32_t size;
  int64_t offset, offset2;
  uint64_t seed;  // of the bytes written
};

struct Result {
  int64_t value = 0;  // what the call gave; status: see StatusValue
  int error = 0;      // errno if value is -1
  std::string data;
};

inline int64_t StatusValue(int64_t size, int64_t links) { return size * 1'000 + links; }

// One line, for people.
std::string Describe(const Operation& operation);
std::string Describe(const Result& result);

// Bytes no other seed gives.
std::string Bytes(uint64_t seed, size_t size);

// Generator of random numbers: the same everywhere, for a seed to mean something.
class Random {
 public:
  // Neighbouring seeds must not give one sequence from different places on, hence another factor than Next()'s.
  explicit Random(uint64_t seed) : state_((seed + 1) * 0xd1342543de82ef95u) {}
  uint64_t Next() {
    // splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(Next() % limit); }
  bool OneIn(uint32_t n) { return Below(n) == 0; }

 private:
  uint64_t state_;
};

}  // namespace vos::model

#endif  // VIRTUOS_TESTS_MODEL_OPERATION_H_
