#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A service domain aims its device at a page of the primary: the IOMMU refuses, the hypervisor tells of it, the page is
# what it was, and the domain and its device go on. Here with the emulated IOMMU that reports what it refuses.
# tier: fast
# boot: shared
# time: 60
# vm: --iommu intel
# host: peer
. "$TEST_DIRECTORY/../apps/common.inc"
for domain in network storage; do
  said=$(vos kill $domain --how wild-dma) || fail "$domain: $said"
  echo "$domain: $said"
  grep -q 'the IOMMU refused it' <<<"$said" || fail "$domain: nothing tells of it"
done
# Both devices work, and no domain was made anew.
await timeout 5 python3 -c "import socket; socket.create_connection(('$outside', 7000), 3)"
head -c 100000 /dev/urandom >/srv/wild-dma && sync /srv/wild-dma || fail "the disk does not take data"
rm /srv/wild-dma
[ "$(vos status --json | grep -c '"restarts": 0')" -eq 2 ] || { vos status; fail "a domain was restarted"; }
