// SPDX-License-Identifier: Apache-2.0
// A directory of 100,000 entries: made, read once each, from any place, while it changes, found,
// removed.
// tier: long
// boot: shared
// variants: trap local
// time: 1200
#include "directory_entries.h"

using namespace vos::testing;

int main() {
  Directory directory;
  TestDirectoryOf(100'000);
  return 0;
}
