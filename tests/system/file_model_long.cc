// SPDX-License-Identifier: Apache-2.0
// 500,000 operations of the model checker, of ten seeds; see file_model.cc.
// tier: long
// boot: shared
// variants: trap shim
// time: 3400
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "tests/model/checker.h"

#include "files.h"

using namespace vos::testing;

constexpr int kSeeds = 10, kOperations = 50'000;

int main() {
  for (uint64_t seed = 101; seed < 101 + kSeeds; seed++) {
    Directory directory;
    vos::model::Settings settings;
    settings.directory = directory.path();
    settings.operations = kOperations;
    settings.seed = seed;
    const auto result = vos::model::Check(settings);
    if (!result) {
      printf("%s\n", result.error().c_str());
      FAIL("a result is wrong");
    }
    printf("seed %lu: %d operations\n", static_cast<unsigned long>(seed), result->operations);
  }
  return 0;
}
