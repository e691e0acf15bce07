#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every valid pair of a fault and a point of the protocol, in the network domain, in as many boots as it takes; ended
# anywhere, it goes on there.
# tier: long
# boot: host
# time: 3600
exec tests/campaign --minutes 55 network-pairs --domain network --mix pairs --seed 1
