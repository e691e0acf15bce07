// SPDX-License-Identifier: Apache-2.0
// Runs seeded operations by several processes in a directory and compares every result with the model's, and with
// those of the same operations in a second directory, on another file system.
#ifndef VIRTUOS_TESTS_MODEL_CHECKER_H_
#define VIRTUOS_TESTS_MODEL_CHECKER_H_

#include <cstdint>
#include <expected>
#include <string>

#include "tests/model/executor.h"

namespace vos::model {

struct Settings {
  std::string directory;  // empty, writable
  std::string reference;  // likewise; none if empty
  uint64_t seed = 1;
  int operations = 5'000;
  bool exchanges = true;  // RENAME_EXCHANGE
  // Injected into the processes in `directory`.
  Breakage breakage = Breakage::kNone;
};

struct Summary {
  int operations = 0;
  int compared = 0;  // results
  int rounds_at_once = 0;
};

// What differed: seed, the operation, both results and the last operations before it.
std::expected<Summary, std::string> Check(const Settings& settings);

}  // namespace vos::model

#endif  // VIRTUOS_TESTS_MODEL_CHECKER_H_
