// SPDX-License-Identifier: Apache-2.0
// 500,000 operations of the model checker in ten batches, each of a seed of its own; see file_model.cc.
// What fails here does so again with file_model 50000 SEED.
// file_model_long BATCH
// tier: long
// boot: shared
// variants: trap shim
// batches: 10
// time: 600
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "file_model.h"

using namespace vos::testing;

int main(int argc, char** argv) {
  vos::model::Settings settings;
  settings.operations = 50'000;
  settings.seed = 100 + (argc > 1 ? atoi(argv[1]) : 1);
  CheckModel(settings, ModelReference());
  return 0;
}
