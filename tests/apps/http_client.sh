#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# curl and wget fetch from a server beside the machine, through the NIC that was passed through.
# tier: fast
# boot: shared
# variants: trap shim
# time: 90
# host: peer
. "$TEST_DIRECTORY/common.inc"
need curl
need wget
[ -n "$outside" ] || fail "the network domain has no router"
server=$outside:8000
for size in 0 1 4096 1000000; do
  expected_bytes "$size" >expected
  curl -sS --max-time 30 -o by_curl "$server/bytes/$size" || fail "curl, $size bytes: status $?"
  cmp by_curl expected || fail "curl: other bytes"
done
wget -q -T 30 -O by_wget "$server/bytes/1000000" || fail "wget: status $?"
cmp by_wget expected || fail "wget: other bytes"
[ "$(curl -sS --max-time 30 "$server/hello")" = "hello from beside the machine" ] || fail "curl: hello"
curl -sS --max-time 30 -f -o /dev/null "$server/nothing" 2>/dev/null
[ $? = 22 ] || fail "curl sees no 404"
# Nobody listens there: refused at once, not a hang.
curl -sS --max-time 30 -o /dev/null "$outside:9/" 2>/dev/null
[ $? = 7 ] || fail "curl is not refused"
# Several at once.
for i in 1 2 3 4 5 6; do curl -sS --max-time 60 -o "part$i" "$server/bytes/100000" & done
wait
expected_bytes 100000 >expected
for i in 1 2 3 4 5 6; do cmp "part$i" expected || fail "curl beside others: other bytes"; done
