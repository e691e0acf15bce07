#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A hundred network domains die one after the other, fifty of them under programs with the shim, with sockets of all
# kinds open: what the primary holds for them is the same afterwards as after the first: grants, event channels,
# xenstore nodes, threads, memory. The same processes are served all the time.
# tier: long
# boot: shared
# variants: trap shim
# time: 1200
set -u
. "$TEST_DIRECTORY/network_cycles.inc"
count_leaks 50
