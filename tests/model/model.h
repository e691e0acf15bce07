// SPDX-License-Identifier: Apache-2.0
// What a directory must hold and every call must give, kept in memory.
#ifndef VIRTUOS_TESTS_MODEL_MODEL_H_
#define VIRTUOS_TESTS_MODEL_MODEL_H_

#include <map>
#include <memory>
#include <string>

#include "tests/model/operation.h"

namespace vos::model {

struct File {
  std::string data;
  int links = 0;
};

// An open file description.
struct Description {
  std::shared_ptr<File> file;
  bool writable = false, appends = false;
  int64_t position = 0;
};

// What a call must give. A search for data or holes may give any position in a range.
struct Expectation {
  Result result;
  bool in_range = false;
  int64_t low = 0, high = 0;
  bool may_find_nothing = false;

  // What is wrong about a result; empty if nothing is.
  std::string Judge(const Result& actual) const;
};

class Model {
 public:
  // Does it here, and says what it must give there.
  Expectation Apply(const Operation& operation);

  Description* At(int worker, int slot) { return slots_[worker][slot].get(); }
  const std::shared_ptr<File>& Held(int worker, int mapping) { return held_[worker][mapping]; }
  // Null if there is no such name.
  std::shared_ptr<File> Named(int name) const;

 private:
  Result Open(const Operation& operation);
  Result Write(const Operation& operation, Description& description, int64_t offset);
  Result Allocate(const Operation& operation, Description& description);
  Result Copy(const Operation& operation, Description& from, Description& to);
  Result Rename(const Operation& operation);
  std::string List(int directory) const;

  std::map<int, std::shared_ptr<File>> names_;
  std::shared_ptr<Description> slots_[kWorkers][kSlots];
  std::shared_ptr<File> held_[kWorkers][kMappings];
};

}  // namespace vos::model

#endif  // VIRTUOS_TESTS_MODEL_MODEL_H_
