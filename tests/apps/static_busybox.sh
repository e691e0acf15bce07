#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A statically linked program, where nothing can be preloaded: busybox's web server and client on loopback.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 60
. "$TEST_DIRECTORY/common.inc"
need busybox
mkdir root
head -c 200000 /dev/urandom >root/file
busybox httpd -f -p 127.0.0.1:8083 -h root &
server=$!
await busybox wget -q -O /dev/null http://127.0.0.1:8083/file
for i in 1 2 3 4 5; do
  busybox wget -q -O got http://127.0.0.1:8083/file || fail "wget: status $?"
  cmp got root/file || fail "other bytes"
done
stop "$server"
