// SPDX-License-Identifier: Apache-2.0
// Chooses what to do next: at random, by a seed, such that the model knows what must come of it.
#ifndef VIRTUOS_TESTS_MODEL_GENERATOR_H_
#define VIRTUOS_TESTS_MODEL_GENERATOR_H_

#include <vector>

#include "tests/model/model.h"
#include "tests/model/operation.h"

namespace vos::model {

// An operation and what must come of it.
struct Step {
  Operation operation;
  Expectation expected;
};

struct Round {
  // All processes run at once; each then has names and files, and stripes of the striped file, that no other
  // process touches in the round, so that no order among them matters. Else one runs after the other.
  bool at_once = false;
  std::vector<Step> steps;
};

class Generator {
 public:
  // move_ranges: fallocate may collapse and insert; exchanges: renames may exchange.
  Generator(uint64_t seed, bool move_ranges, bool exchanges = true)
      : random_(seed), move_ranges_(move_ranges), exchanges_(exchanges) {}

  // What makes the directory what the model starts with.
  Round Beginning();

  Round Next();

  // Reads every file whole, every directory and every status, by one process.
  Round Inspection(int worker);

 private:
  bool Propose(int worker, bool alone, Operation& operation);
  bool ProposeData(Operation& operation);
  bool ProposeMapped(Operation& operation, bool alone);
  bool ProposeStriped(int worker, Operation& operation);
  Step Take(const Operation& operation) { return {operation, model_.Apply(operation)}; }

  // May this process have it to itself?
  bool MayUse(int worker, bool alone, const std::shared_ptr<File>& file);
  bool MayUseName(int worker, bool alone, int name);
  int64_t Offset(int64_t near);
  uint32_t Size();

  Random random_;
  const bool move_ranges_, exchanges_;
  Model model_;
  uint64_t seeds_ = 0;
  uint32_t round_ = 0;
  // Who has which file to itself in this round; what nobody asked for is not in it.
  std::map<const File*, int> owners_;
};

}  // namespace vos::model

#endif  // VIRTUOS_TESTS_MODEL_GENERATOR_H_
