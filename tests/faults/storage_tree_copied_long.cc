// SPDX-License-Identifier: Apache-2.0
// A tree that is copied into the storage domain, each file synced, is whole after ten deaths of it.
// tier: long
// boot: shared
// variants: trap shim
// time: 900
#include "tests/faults/tree_copy.h"

int main() { return vos::testing::CopyTreeAcross(1500, 10); }
