// SPDX-License-Identifier: Apache-2.0
// Does operations with system calls, in a process of its own.
#ifndef VIRTUOS_TESTS_MODEL_EXECUTOR_H_
#define VIRTUOS_TESTS_MODEL_EXECUTOR_H_

#include <string>

#include "tests/model/operation.h"

namespace vos::model {

// An error injected on purpose: what a broken file system would do, to show that the checker finds it.
enum class Breakage : uint8_t {
  kNone,
  kFlippedByte,     // a write changes one byte
  kShortWrite,      // a write reports more than it wrote
  kStaleRead,       // a read gives zeros for its last byte
  kLostResize,      // a truncation that grows or cuts nothing
  kWrongSize,       // fstat tells the size before the last write
  kLostRename,      // a rename that only says it happened
  kLostUnlink,      // an unlink that only says it happened
  kPrivateStore,    // what is stored into a mapping stays there
  kStuckPosition,   // a read that does not move the position
  kUnpunchedHole,   // fallocate that leaves what it should clear
  kMisplacedWrite,  // a write at a position goes to the next page boundary
  kAppendAtStart,   // an append that does not go to the end
  kCount
};
const char* NameOf(Breakage breakage);

class Executor {
 public:
  // In this directory, which exists; from operation `healthy` on, it breaks in that way, now and then.
  explicit Executor(const std::string& directory, Breakage breakage = Breakage::kNone,
                    int healthy = 0);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  Result Run(const Operation& operation);

 private:
  std::string Path(int name) const;
  bool Breaks(Breakage breakage);
  Result Read(const Operation& operation);
  Result Write(const Operation& operation);
  Result SeekData(const Operation& operation);
  Result MapOnce(const Operation& operation);
  Result Copy(const Operation& operation);
  Result List(const Operation& operation);

  const std::string directory_;
  const Breakage breakage_;
  const int healthy_;
  int done_ = 0, candidates_ = 0;
  int slots_[kSlots];
  char* held_[kMappings] = {};
};

// What the file system of a directory can do beyond what all can.
bool CanMoveRanges(const std::string& directory);

}  // namespace vos::model

#endif  // VIRTUOS_TESTS_MODEL_EXECUTOR_H_
