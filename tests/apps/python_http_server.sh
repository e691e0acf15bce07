#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# python3 -m http.server serves 1,000 requests of a client beside the machine.
# tier: fast
# boot: shared
# variants: trap shim
# time: 240
# host: peer
# forward: 18080:8080
. "$TEST_DIRECTORY/common.inc"
need python3
mkdir root
head -c 3000 /dev/zero >root/file
python3 -m http.server 8080 --directory root >server.log 2>&1 &
server=$!
load 18080 1000 4 /file 3000
stop "$server"
