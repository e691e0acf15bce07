// SPDX-License-Identifier: Apache-2.0
// The model checker (tests/model/) as a test: in the storage domain, or wherever the variant has its files, and on a
// second file system with which it is compared.
#ifndef VIRTUOS_TESTS_SYSTEM_FILE_MODEL_H_
#define VIRTUOS_TESTS_SYSTEM_FILE_MODEL_H_

#include "files.h"
#include "tests/model/checker.h"

namespace vos::testing {

// Where a test has its reference: the primary's own ext4 if the files under test live in the storage domain, else
// nowhere, which is empty.
inline std::string ModelReference() { return InNetworkDomain() ? "/var/tmp" : ""; }

// Settings without directories; `reference` is one in which a directory is made and removed again.
inline void CheckModel(vos::model::Settings settings, std::string reference) {
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
}

}  // namespace vos::testing

#endif  // VIRTUOS_TESTS_SYSTEM_FILE_MODEL_H_
