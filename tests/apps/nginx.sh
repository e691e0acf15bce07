#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx serves 1,000 requests of a client beside the machine, small files and large ones.
# tier: fast
# boot: shared
# variants: trap shim
# time: 180
# host: peer
# forward: 18081:8081
. "$TEST_DIRECTORY/common.inc"
need nginx
mkdir root
chmod 755 . root
head -c 3000 /dev/zero >root/small
head -c 300000 /dev/zero >root/large
start_nginx 8081 "$PWD/root"
load 18081 1000 4 /small 3000
load 18081 20 4 /large 300000
# Reloading replaces the workers, which inherit the listening socket.
kill -HUP "$server"
sleep 1
load 18081 50 4 /small 3000
kill -QUIT "$server"
wait "$server" || fail "nginx ended with status $?"
