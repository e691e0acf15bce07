#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, its files in the storage domain, survives two deaths of that in the middle of transactions: it recovers
with no more help than being started again, whatever it acknowledged is there by a ledger that is kept beside the
machine, no transaction is half there, none was done that nobody asked for, and the checksums of all pages agree.
"""
# tier: fast
# boot: shared
# variants: trap shim
# time: 300
# host: peer
# packages: postgresql
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/postgresql.inc").read())
test_postgresql(deaths=2)
