#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hundred storage domains die one after the other, fifty of them under programs with the shim, with files open: what
# the primary holds for them is the same afterwards as after the first: grants, event channels, xenstore nodes, threads,
# memory. The same process has the same files all the time.
# tier: long
# boot: shared
# variants: trap shim
# time: 1200
set -u
. "$TEST_DIRECTORY/storage_cycles.inc"
count_leaks 50
exec 7<&- 8>&- 9<&-
rm -r "$directory"
