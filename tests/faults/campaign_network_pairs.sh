#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every valid pair of a fault and a point of the protocol, in the network domain.
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
campaign network pairs 0
