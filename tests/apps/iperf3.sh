#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# iperf3 over loopback: TCP in both directions, several streams, UDP.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 120
. "$TEST_DIRECTORY/common.inc"
need iperf3
iperf3 -s -p 5201 >server.log 2>&1 &
server=$!
# The server closes its listener after each test and opens it anew.
run() {
  local tries=0
  until iperf3 -c 127.0.0.1 -p 5201 --connect-timeout 10000 "$@" >client.log 2>&1; do
    tries=$((tries + 1))
    if ! grep -q 'Connection refused' client.log || [ "$tries" -gt 20 ]; then
      cat client.log server.log
      fail "iperf3 $*"
    fi
    sleep 0.5
  done
  grep -E 'receiver|sender' client.log | tail -n 1
}
run -n 8M
run -n 8M -R
run -n 4M -P 4
run -u -b 1M -t 2
stop "$server"
