#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each way in which the network domain can fail, and each point of the protocol where that can begin, at least once: it
# is noticed within the bound of that way, a new domain serves without anybody's help, nothing is left behind, and the
# storage domain does not notice.
# tier: fast
# boot: shared
# time: 240
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log network: Kernel panic
# expect-log network: NULL pointer dereference
# expect-log network: Call Trace
# expect-log network: Oops
. "$TEST_DIRECTORY/campaign.inc"
campaign network cover 0
