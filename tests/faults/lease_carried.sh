#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A network domain begins with what the last one had by DHCP: address and route are there before it asks.
# What DHCP says then counts: a lease that the dead domain made up is taken back, and garbage is not handed on.
# tier: fast
# boot: shared
# time: 150
set -u
. "$TEST_DIRECTORY/strike.inc"
log=/var/log/xen/console/guest-network.log
fail() { echo "$*"; ip -brief address; ip route; tail -n 12 $log; exit 1; }
began() { grep -c "init: eth0: address $1, as in the last domain" $log; }
node() { xenstore-read "/local/domain/$(field domid)/data/$1"; }
await() { # SECONDS WHAT COMMAND...
  local end=$(($(now_ms) + $1 * 1000)) what=$2
  shift 2
  until "$@" 2>/dev/null; do
    [ "$(now_ms)" -lt $end ] || fail "not yet: $what"
    sleep 0.1
  done
}
has_lease() { [ -n "$(node resolv)" ] && [ -n "$(node lease)" ]; }
is_address() { [ "$(ip -4 -o address show dev eth0 | awk '{ print $4 }')" = "$1" ]; }
is_route() { [ "$(ip route show default | awk '{ print $3 }')" = "$1" ]; }

await 20 "a lease" has_lease
read -r interface address broadcast router until <<<"$(node lease)"
[ "$interface" = eth0 ] || fail "the lease is of $interface"
is_address "$address" || fail "the lease says $address"
is_route "$router" || fail "the lease says $router"
[ "$until" -gt "$(date +%s)" ] || fail "the lease has ended, it says"
before=$(began "${address%/*}")

strike destroy 5000
await 20 "a lease of the new domain" has_lease
[ "$(began "${address%/*}")" -eq $((before + 1)) ] || fail "the new domain did not begin with the lease"
is_address "$address" || fail "the address is another one"
is_route "$router" || fail "the route is another one"

# vosd reads the lease when it is told of the name servers.
tell() {
  xenstore-write "/local/domain/$(field domid)/data/lease" "$1"
  xenstore-write "/local/domain/$(field domid)/data/resolv" "$(node resolv)"
  sleep 1
}
tell "eth0 ${address%.*}.77/24 $broadcast ${router%.*}.78 9999999999"
strike destroy 5000
await 20 "a lease of the new domain" has_lease
[ "$(began "${address%.*}.77")" -eq 1 ] || fail "the new domain did not begin with what the last one said"
await 10 "the address that DHCP gives" is_address "$address"
await 10 "the route that DHCP gives" is_route "$router"

# Only the route is another one.
before=$(began "${address%/*}")
tell "eth0 $address $broadcast ${router%.*}.78 9999999999"
strike destroy 5000
await 20 "a lease of the new domain" has_lease
[ "$(began "${address%/*}")" -eq $((before + 1)) ] || fail "the new domain did not begin with the lease"
await 10 "the route that DHCP gives" is_route "$router"
is_address "$address" || fail "the address is another one"

before=$(grep -c 'as in the last domain' $log)
tell "eth0 ${address%.*}.77/99 \$(reboot) ../.. 1"
strike destroy 5000
await 20 "a lease of the new domain" has_lease
[ "$(grep -c 'as in the last domain' $log)" -eq "$before" ] || fail "garbage was handed on"
await 10 "the address that DHCP gives" is_address "$address"
