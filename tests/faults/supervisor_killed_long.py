#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""vosd is killed at each point of the recovery of each domain, three times over."""
# tier: long
# boot: shared
# time: 1200
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/supervisor_killed.inc").read())
test_supervisor([(name, point) for _ in range(3) for name in ("network", "storage") for point in POINTS])
