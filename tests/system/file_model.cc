// SPDX-License-Identifier: Apache-2.0
// 5,000 seeded operations by four processes, one after the other and all at once, by the shim, by bare system calls
// and by mappings: every result is what a model and a second file system say. See tests/model/.
// file_model [OPERATIONS [SEED [REFERENCE-DIRECTORY]]]
// tier: fast
// boot: shared
// variants: trap shim local
// time: 150
// links: tests/model/checker.cc tests/model/executor.cc tests/model/generator.cc tests/model/model.cc tests/model/operation.cc
#include "tests/model/checker.h"

#include "files.h"

using namespace vos::testing;

int main(int argc, char** argv) {
  vos::model::Settings settings;
  if (argc > 1) settings.operations = atoi(argv[1]);
  if (argc > 2) settings.seed = strtoull(argv[2], nullptr, 0);
  // The second one: the primary's own ext4 where the files under test live in the storage domain.
  std::string reference = argc > 3 ? argv[3] : InNetworkDomain() ? "/var/tmp" : "";
  if (!reference.empty()) {
    reference += "/model-XXXXXX";
    CHECK(mkdtemp(reference.data()));
  }
  const int64_t begin = Milliseconds();
  {
    Directory directory;
    settings.directory = directory.path();
    settings.reference = reference;
    const auto result = vos::model::Check(settings);
    if (!result) {
      printf("%s\n", result.error().c_str());
      FAIL("a result is wrong");
    }
    printf("seed %lu: %d operations, %d results compared, %d rounds at once, %ld ms\n",
           static_cast<unsigned long>(settings.seed), result->operations, result->compared,
           result->rounds_at_once, static_cast<long>(Milliseconds() - begin));
  }
  if (!reference.empty()) CHECK_EQ(system(("rm -rf '" + reference + "'").c_str()), 0);
  return 0;
}
