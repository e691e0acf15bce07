#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two hundred faults at random points in the network domain, in as many boots as it takes: with campaign_network_pairs more
# than three hundred. Ended anywhere, it goes on there.
# tier: long
# boot: host
# time: 3600
exec tests/campaign --minutes 55 network-random --domain network --mix random --rounds 200 --seed 1
