#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# caddy, a Go program, which makes its system calls itself, serves 1,000 requests of a client beside the machine.
# tier: fast
# boot: shared
# variants: trap shim
# time: 240
# host: peer
# forward: 18082:8082
. "$TEST_DIRECTORY/common.inc"
need caddy
mkdir root
head -c 3000 /dev/zero >root/file
HOME=$PWD XDG_DATA_HOME=$PWD XDG_CONFIG_HOME=$PWD caddy file-server --listen :8082 --root root >server.log 2>&1 &
server=$!
load 18082 1000 4 /file 3000
stop "$server"
tail -n 3 server.log
