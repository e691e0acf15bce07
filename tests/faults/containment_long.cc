// SPDX-License-Identifier: Apache-2.0
// A workload in one service domain while the other domain is killed again 1 s after each recovery,
// for a minute, and the reverse: how much throughput is left, and that no operation waits for the
// domain that dies.
// tier: long
// boot: own
// variants: trap shim
// time: 400
// links: -lxenctrl
#include "tests/faults/containment.h"

using namespace vos::testing;

int main() {
  NeedRoot();
  Directory directory;
  if (!InStorageDomain()) SKIP("not in the storage domain");
  ContainFiles(60, 2'000, true);
  ContainStreams(60, 2'000, true);
  return 0;
}
