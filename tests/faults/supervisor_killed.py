#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vosd is killed while all is well, and in the middle of the recovery of a domain: it is started again, takes over
what lives, finishes the recovery, and nothing of either is left behind.
"""
# tier: fast
# boot: shared
# time: 180
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/supervisor_killed.inc").read())
test_supervisor([("network", "idle"), ("network", "creating"), ("storage", "connecting"), ("network", "cleaning"),
                 ("storage", "connected")])
