#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""redis with appendfsync always, its files in the storage domain, survives two deaths of that in the middle of
transactions: whatever it acknowledged is there afterwards, by a ledger that is kept beside the machine, no transaction
is half there, and none was done that nobody asked for.
"""
# tier: fast
# boot: shared
# variants: trap shim
# time: 90
# host: peer
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/redis.inc").read())
test_redis(deaths=2)
