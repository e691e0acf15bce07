#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A network domain that crashes: the kernel knows at once."""
# tier: fast
# boot: shared
# time: 180
# expect-log primary: it crashed or shut down
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/detection.inc").read())


def crash(domid):
    assert library.xc_domain_shutdown(xen, domid, SHUTDOWN_CRASH) == 0


measure("a crash", crash)
