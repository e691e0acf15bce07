#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every valid pair of a fault and a point of the protocol, in the storage domain.
# tier: long
# boot: own
# time: 3500
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log storage: Kernel panic
# expect-log storage: NULL pointer dereference
# expect-log storage: Call Trace
# expect-log storage: Oops
. "$TEST_DIRECTORY/campaign.inc"
campaign storage pairs 0
