#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Addresses, routes and the MTU that programs set are there again in the next network domain, with what it
# configures by itself, and so are sockets that are bound to them or need such a route; what was taken away
# stays away. So it is when what keeps them was killed before, or all of vosd.
# tier: fast
# boot: shared
# time: 150
set -u
. "$TEST_DIRECTORY/strike.inc"
fail() { echo "$*"; ip -brief address; ip route; tail -n 20 /run/virtuos/vosd.log; exit 1; }

# Not what routers advertise, which comes when it comes.
addresses() { ip -o address | grep -v 'proto kernel_ra\| fe80\| fec0' | awk '{ print $2, $4 }' | sort; }
routes() { { ip route; ip -6 route; } | sed 's/ *$//' | grep -v '^fe80\|^fec0\|proto ra' | sort; }

keeper() { pgrep -f keep-network; }
await_keeper() { # NOT_THIS_ONE
  for _ in $(seq 300); do
    [ -n "$(keeper)" ] && [ "$(keeper)" != "$1" ] && break
    sleep 0.1
  done
  [ -n "$(keeper)" ] && [ "$(keeper)" != "$1" ] || fail "nobody keeps addresses and routes"
  sleep 1
}

# The domain has configured itself: what is set from now on is a program's.
await_keeper none

ip address add 10.77.0.1/24 dev eth0 || exit 1
ip address add fd77::1/64 dev eth0 nodad || exit 1
ip route add 10.78.0.0/16 via 10.77.0.2 || exit 1
ip -6 route add fd78::/32 via fd77::2 || exit 1
ip route add blackhole 10.79.0.0/16 || exit 1
ip link set eth0 mtu 1400 || exit 1
ip link set lo mtu 16384 || exit 1
before_addresses=$(addresses)
before_routes=$(routes)

python3 - <<'PYTHON' &
import socket
listener = socket.create_server(("10.77.0.1", 7811))
six = socket.create_server(("fd77::1", 7811), family=socket.AF_INET6)
away = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
away.connect(("10.78.1.1", 7812))
while True:
    connection, _ = listener.accept()
    connection.sendall(b"%s %s" % (away.getsockname()[0].encode(), away.getpeername()[0].encode()))
    other, _ = six.accept()
    other.sendall(b"six")
PYTHON
server=$!
trap 'kill $server' EXIT

for i in 1 2; do
  generation=$(field generation)
  last=$(keeper)
  if [ $i = 1 ]; then
    kill -KILL "$last"
  else
    kill -KILL "$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' /run/virtuos/state.json)"
  fi
  await_keeper "$last"
  # It writes all that differs, not only this.
  ip address add 10.77.0.1$i/24 dev eth0 || exit 1
  before_addresses=$(addresses)
  # The keeper has written what was done last.
  sleep 1
  vos kill network || exit 1
  for _ in $(seq 1500); do
    [ "$(field generation)" -gt "$generation" ] && [ "$(field state)" = connected ] && break
    sleep 0.04
  done
  for _ in $(seq 100); do
    [ "$(addresses)" = "$before_addresses" ] && [ "$(routes)" = "$before_routes" ] && break
    sleep 0.1
  done
  [ "$(addresses)" = "$before_addresses" ] || fail "addresses differ; they were: $before_addresses"
  [ "$(routes)" = "$before_routes" ] || fail "routes differ; they were: $before_routes"
  [ "$(cat <(ip -o link show eth0) | grep -c 'mtu 1400')" = 1 ] || fail "the MTU of eth0 is another one"
  [ "$(ip -o link show lo | grep -c 'mtu 16384')" = 1 ] || fail "the MTU of lo is another one"
  timeout 30 python3 - <<'PYTHON' || fail "the sockets do not serve"
import socket, time
end = time.monotonic() + 20
while True:
    try:
        c = socket.create_connection(("10.77.0.1", 7811), 5)
        answer = c.recv(100)
        assert answer == b"10.77.0.1 10.78.1.1", answer
        c = socket.create_connection(("fd77::1", 7811), 5)
        assert c.recv(100) == b"six"
        break
    except OSError:
        if time.monotonic() > end: raise
PYTHON
done
kill $server
for address in 10.77.0.1 10.77.0.11 10.77.0.12; do ip address del $address/24 dev eth0; done
ip -6 address del fd77::1/64 dev eth0
ip route del blackhole 10.79.0.0/16
ip link set eth0 mtu 1500
ip link set lo mtu 65536
