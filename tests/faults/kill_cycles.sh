#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Five network domains die one after the other, with sockets of all kinds open: what the primary holds for them
# is the same afterwards as after the first: grants, event channels, xenstore nodes, memory. The same processes
# are served all the time.
# tier: fast
# boot: shared
# time: 200
set -u
. "$TEST_DIRECTORY/strike.inc"

python3 - <<'PYTHON' &
import socket, threading
listener = socket.create_server(("127.0.0.1", 7801))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 7802))
def echo():
    while True:
        data, peer = datagrams.recvfrom(100)
        try:
            datagrams.sendto(data, peer)
        except OSError:
            pass
threading.Thread(target=echo, daemon=True).start()
kept = []
while True:
    connection, _ = listener.accept()
    try:
        connection.sendall(connection.recv(100))
        # One stays open when the domain dies.
        kept = [connection]
    except OSError:
        pass
PYTHON
server=$!
trap 'kill $server' EXIT

served() {
  timeout 30 python3 - <<'PYTHON'
import socket, time
end = time.monotonic() + 20
while True:
    try:
        c = socket.create_connection(("127.0.0.1", 7801), 5)
        c.sendall(b"tcp"); assert c.recv(3) == b"tcp"
        u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(2)
        u.sendto(b"udp", ("127.0.0.1", 7802)); assert u.recv(3) == b"udp"
        break
    except OSError:
        if time.monotonic() > end: raise
PYTHON
}

# What the primary holds: nodes of back-ends in xenstore, bound event channels, shared pages and their grants,
# memory in KiB.
node_names() { xenstore-ls -f /local/domain/0 2>/dev/null | sed -n 's/ = .*//; /^.local.domain.0.\(backend\|error\)/p'; }
nodes() { node_names | wc -l; }
channels() { grep -c 'virtuos' /proc/interrupts; }
shared() { sed -n 's/^attached=[^ ]* //p' $state; }
memory() {
  sync
  echo 3 >/proc/sys/vm/drop_caches
  awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

cycle() {
  local generation
  generation=$(field generation)
  vos kill network || exit 1
  for _ in $(seq 1500); do
    [ "$(field generation)" -gt "$generation" ] && [ "$(field state)" = connected ] && break
    sleep 0.04
  done
  [ "$(field generation)" -gt "$generation" ] || { echo "no new domain; $(cat $state)"; exit 1; }
  served || { echo "the servers do not serve in the new domain"; exit 1; }
  # The toolstack has put away what was left of the old one.
  for _ in $(seq 100); do
    [ "$(xl list | grep -c '(null)')" -eq 0 ] && break
    sleep 0.1
  done
}

served || exit 1
leaks=
for i in 1 2 3 4 5; do
  cycle
  line="nodes=$(nodes) channels=$(channels) $(shared) domains=$(xl list | wc -l)"
  free=$(memory)
  echo "cycle $i: $line free=$free KiB, $(awk '/^(Slab|SUnreclaim|VmallocUsed|AnonPages|Cached|Shmem):/ { printf "%s%s ", $1, $2 }' /proc/meminfo)"
  if [ "$i" -eq 1 ]; then
    first=$line first_nodes=$(node_names)
  elif [ "$line" != "$first" ]; then
    leaks+="after the first cycle $first, after cycle $i $line"$'\n'
  fi
  # What is loaded and cached for the first time is no leak.
  [ "$i" -ne 2 ] || second_free=$free
done
if [ -n "$leaks" ]; then
  printf 'leak: %s' "$leaks"
  diff <(echo "$first_nodes") <(node_names) | head -n 20
  exit 1
fi
# A connection's memory is some 20 MiB.
[ $((second_free - free)) -lt 20480 ] || { echo "leak: $((second_free - free)) KiB in three cycles"; exit 1; }
