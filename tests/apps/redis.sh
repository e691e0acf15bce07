#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# redis-server under redis-benchmark, and its data afterwards.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 180
. "$TEST_DIRECTORY/common.inc"
need redis-server
need redis-benchmark
redis-server --port 6390 --save '' --appendonly no --dir "$PWD" >server.log 2>&1 &
server=$!
await redis-cli -p 6390 ping
redis-benchmark -p 6390 -n 2000 -c 20 -t set,get,lpush -q || fail "redis-benchmark: status $?"
redis-cli -p 6390 set answer 42 >/dev/null || fail "set"
[ "$(redis-cli -p 6390 get answer)" = 42 ] || fail "get"
[ "$(redis-cli -p 6390 llen mylist)" = 2000 ] || fail "2,000 pushes left $(redis-cli -p 6390 llen mylist)"
redis-cli -p 6390 shutdown nosave
wait "$server" || fail "redis-server ended with status $?"
