#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A network domain that is destroyed while it runs: the kernel knows at once. One without a NIC, because the
hypervisor alone does it here, and the toolstack would have to take back a device.
"""
# tier: fast
# boot: own
# time: 180
# vm: --domain pvh
# expect-log primary: it was destroyed
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/detection.inc").read())


def destroy(domid):
    assert library.xc_domain_destroy(xen, domid) == 0


measure("a destruction", destroy)
