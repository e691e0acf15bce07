# SPDX-License-Identifier: GPL-2.0-only
# The Linux that all kernels are built from: Debian's package of the upstream source with Debian's fixes.
LINUX_PACKAGE := linux-source-6.12
LINUX_VERSION := 6.12.107-1
LINUX_SHA256  := 775b9ef84d7fa7927ccebfec33fbbe9aeb2482ebf9a92c771aafd33fb6e2ee27
# What may stand in when the archive no longer has that version.
LINUX_SERIES  := 6.12.
