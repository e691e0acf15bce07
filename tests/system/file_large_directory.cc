// SPDX-License-Identifier: Apache-2.0
// A large directory: 5,000 entries made, read once each, from any place, while it changes, found,
// removed.
// tier: fast
// boot: shared
// variants: trap local
// time: 60
#include "directory_entries.h"

using namespace vos::testing;

int main() {
  Directory directory;
  TestDirectoryOf(5'000);
  return 0;
}
