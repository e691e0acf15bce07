// SPDX-License-Identifier: Apache-2.0
// A tree that is copied into the storage domain, each file synced, is whole after three deaths of it.
// tier: fast
// boot: shared
// variants: trap shim
// time: 120
#include "tests/faults/tree_copy.h"

int main() { return vos::testing::CopyTreeAcross(150, 3); }
