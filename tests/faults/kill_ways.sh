#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each way in which the network domain can die or hang: the primary notices within the bound of that way, says
# why, and a new domain serves without anybody's help.
# tier: fast
# boot: shared
# time: 240
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log network: Kernel panic
# expect-log network: NULL pointer dereference
# expect-log network: Call Trace
# expect-log network: Oops
set -u
. "$TEST_DIRECTORY/strike.inc"
strike destroy 1000
strike panic 3000
strike oops 3000
strike hang 6000
strike irqs-off 6000
strike poller-stall 6000
strike oom 20000
strike ring-garbage 20000
