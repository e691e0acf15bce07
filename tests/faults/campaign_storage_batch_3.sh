#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Faults of the storage domain at random points, 100 of 300; the other batches have the rest.
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
campaign storage random 100 3
