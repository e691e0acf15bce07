# SPDX-License-Identifier: GPL-2.0-only
# The Xen that is built: the upstream snapshot of Debian's source package.
XEN_PACKAGE := xen
XEN_VERSION := 4.20.3+127-gc42374a105-0+deb13u1
XEN_SHA256  := df0831854a55a8f31cb3cb85036f2edc928e2ef098d77f815f5714bfafac68f3
# What may stand in when the archive no longer has that version.
XEN_SERIES  := 4.20.
