#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx, started once, keeps serving new connections of a client beside the machine after each of three deaths
# of the network domain: the forwarded port leads through the domain's own address.
# tier: fast
# boot: shared
# time: 240
# host: peer
# forward: 18082:8082
. "$TEST_DIRECTORY/../apps/common.inc"
need nginx
. "$TEST_DIRECTORY/strike.inc"
mkdir root
chmod 755 . root
head -c 3000 /dev/zero >root/small
start_nginx 8082 "$PWD/root"
load 18082 50 4 /small 3000
workers=$(pgrep -P "$server" | sort)
for i in 1 2 3; do
  generation=$(field generation)
  vos kill network || fail "it cannot be killed"
  for _ in $(seq 1500); do
    [ "$(field generation)" -gt "$generation" ] && [ "$(field state)" = connected ] && break
    sleep 0.04
  done
  # The client beside the machine is reached once the domain has its address again.
  await timeout 5 python3 -c "import socket; socket.create_connection(('$outside', 7000), 3)"
  load 18082 50 4 /small 3000
  [ "$(pgrep -P "$server" | sort)" = "$workers" ] || fail "nginx has other workers"
done
kill -QUIT "$server"
wait "$server" || fail "nginx ended with status $?"
