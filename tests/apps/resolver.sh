#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Names are resolved by a resolver beside the machine: the primary's resolv.conf follows the domain's DHCP.
# tier: fast
# boot: shared
# variants: trap shim
# time: 60
# host: peer
. "$TEST_DIRECTORY/common.inc"
grep -q '^nameserver' /etc/resolv.conf || fail "resolv.conf names no server"
[ "$(getent ahostsv4 www.virtuos.test | awk 'NR == 1 { print $1 }')" = 192.0.2.1 ] || fail "no IPv4 address"
python3 -c '
import socket
found = {entry[4][0] for entry in socket.getaddrinfo("mail.virtuos.test", 80, type=socket.SOCK_STREAM)}
assert "192.0.2.1" in found and "2001:db8::1" in found, found
try:
    socket.getaddrinfo("nowhere.invalid", 80)
except socket.gaierror:
    pass
else:
    raise SystemExit("a name that does not exist was found")' || fail "getaddrinfo"
