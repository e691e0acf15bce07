#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Faults of the network domain at random points, 100 of 300; the other batches have the rest.
# tier: long
# boot: own
# time: 3500
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log network: Kernel panic
# expect-log network: NULL pointer dereference
# expect-log network: Call Trace
# expect-log network: Oops
. "$TEST_DIRECTORY/campaign.inc"
campaign network random 100 1
