// SPDX-License-Identifier: Apache-2.0
// A workload in one service domain goes on all the time while the other domain is killed again and
// again, and the reverse. Its throughput is judged in the long tier.
// tier: fast
// boot: shared
// time: 120
// links: -lxenctrl
#include "tests/faults/containment.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  ContainFiles(5, 3'000, false);
  ContainStreams(5, 3'000, false);
  return 0;
}
