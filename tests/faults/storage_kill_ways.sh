#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each way in which the storage domain can die or hang: a file that is open goes on in the next domain, and the network
# domain does not notice. A daemon that dies is no end of the domain. In the end both domains are killed at once.
# tier: fast
# boot: shared
# time: 300
# expect-log primary: it crashed or shut down
# expect-log primary: it hangs
# expect-log storage: Kernel panic
# expect-log storage: Call Trace
set -u
. "$TEST_DIRECTORY/strike.inc"
[ -n "$(field generation)" ] || exit 77
network=$(field generation)
directory=$(mktemp -d /srv/test-XXXXXX) || exit 1
echo "what was synced" >"$directory/file"
exec 7<"$directory/file" 8>>"$directory/log"
sync "$directory/file" "$directory/log" "$directory" || exit 1

of=storage
# serves: by a descriptor that was open before, and by name.
serves() {
  [ "$(cat <&7)" = "what was synced" ] && [ "$(cat "$directory/file")" = "what was synced" ] || return 1
  exec 7<"$directory/file"
  echo "after $1" >&8 && sync "$directory/log" && grep -q "after $1" "$directory/log" &&
    mkdir "$directory/$1" && rmdir "$directory/$1"
}
strike destroy 1000
strike panic 3000
strike hang 6000

generation=$(field generation)
vos kill storage --how daemon || exit 1
serves daemon || { echo "no other daemon serves"; exit 1; }
[ "$(field generation)" = "$generation" ] || { echo "the domain did not outlive its daemon"; exit 1; }

of=network
[ "$(field generation)" = "$network" ] || { echo "the network domain was affected"; exit 1; }
vos kill network --how destroy || exit 1
of=storage
strike destroy 1000
of=network
for _ in $(seq 600); do
  [ "$(field generation)" != "$network" ] && [ "$(field state)" = connected ] && break
  sleep 0.1
done
[ "$(field state)" = connected ] || { echo "no new network domain"; exit 1; }
exec 7<&- 8>&-
rm -r "$directory"
