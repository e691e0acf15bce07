#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The initial namespace is attached: its programs see the network domain's interfaces, the namespace `local` does not,
# and the primary itself has no NIC.
# tier: fast
# boot: shared
set -eu
vos status
vos status --json | grep -q '"attached": *"init_net"'
ip -brief addr
ip -brief addr | grep -qE '^lo .*127\.0\.0\.1'
ip -brief addr | grep -qvE '^lo '
ip route
ss -tan >/dev/null
[ "$(vos run --local -- ip -brief link | grep -c .)" = 1 ]
for device in /sys/class/net/*; do
  case ${device##*/} in lo | bonding_masters) ;; *) echo "the primary has $device"; exit 1 ;; esac
done
