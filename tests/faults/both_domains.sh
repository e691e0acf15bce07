#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Both service domains are killed at once: both are served again, by name and by a descriptor that was open before.
# tier: fast
# boot: shared
# time: 120
# expect-log primary: it crashed or shut down
set -u
. "$TEST_DIRECTORY/strike.inc"
of=storage
[ -n "$(field generation)" ] || exit 77
directory=$(mktemp -d /srv/test-XXXXXX) || exit 1
echo "what was synced" >"$directory/file"
exec 7<"$directory/file" 8>>"$directory/log"
sync "$directory/file" "$directory/log" "$directory" || exit 1
serves() {
  [ "$(cat <&7)" = "what was synced" ] && [ "$(cat "$directory/file")" = "what was synced" ] || return 1
  exec 7<"$directory/file"
  echo "after $1" >&8 && sync "$directory/log" && grep -q "after $1" "$directory/log" &&
    mkdir "$directory/$1" && rmdir "$directory/$1"
}
of=network
network=$(field generation)
vos kill network || exit 1
of=storage
strike destroy 1000
of=network
for _ in $(seq 600); do
  [ "$(field generation)" != "$network" ] && [ "$(field state)" = connected ] && break
  sleep 0.1
done
[ "$(field generation)" != "$network" ] && [ "$(field state)" = connected ] || { echo "no new network domain"; exit 1; }
exec 7<&- 8>&-
rm -r "$directory"
