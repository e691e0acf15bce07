// SPDX-License-Identifier: Apache-2.0
// 5,000 seeded operations by four processes, one after the other and all at once, by the shim, by bare system calls
// and by mappings: every result is what a model and a second file system say. See tests/model/.
// file_model [OPERATIONS [SEED [REFERENCE-DIRECTORY]]]
// tier: fast
// boot: shared
// variants: trap shim local
// time: 150
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "file_model.h"

using namespace vos::testing;

int main(int argc, char** argv) {
  vos::model::Settings settings;
  if (argc > 1) settings.operations = atoi(argv[1]);
  if (argc > 2) settings.seed = strtoull(argv[2], nullptr, 0);
  CheckModel(settings, argc > 3 ? argv[3] : ModelReference());
  return 0;
}
