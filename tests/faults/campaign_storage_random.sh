#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two hundred faults at random points in the storage domain, in as many boots as it takes: with campaign_storage_pairs more
# than three hundred. Ended anywhere, it goes on there.
# tier: long
# boot: host
# time: 3600
exec tests/campaign --minutes 55 storage-random --domain storage --mix random --rounds 200 --seed 1
