#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each way in which the storage domain can fail, and each point of the protocol where that can begin, at least once:
# see campaign_network.sh. What was synced is there, and the network domain does not notice.
# tier: fast
# boot: shared
# time: 280
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log storage: Kernel panic
# expect-log storage: NULL pointer dereference
# expect-log storage: Call Trace
# expect-log storage: Oops
. "$TEST_DIRECTORY/campaign.inc"
campaign storage cover 0
