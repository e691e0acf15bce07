#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A database outlives the storage domain, killed in the middle of transactions: each one that sqlite3 acknowledged is
# there, once, and the database is whole. EXTRA: the end of a transaction is the removal of its journal, which FULL does
# not wait for to be on the disk. The ledger of what was acknowledged is kept outside the domain.
# tier: fast
# boot: shared
# variants: trap shim
# time: 300
# packages: sqlite3
set -u
type -P sqlite3 >/dev/null || { echo "sqlite3 is not installed"; exit 77; }
. "$TEST_DIRECTORY/strike.inc"
of=storage
[ -n "$(field generation)" ] || { echo "there is no storage domain"; exit 77; }
base=$(mktemp -d /srv/test-XXXXXX) || exit 1
ledger=$(mktemp /var/tmp/ledger-XXXXXX) || exit 1
errors=$(mktemp /var/tmp/errors-XXXXXX) || exit 1
trap 'rm -f "$ledger" "$errors" "$ledger.stop"' EXIT
serves() { ls "$base" >/dev/null; }

# A transaction a process; one that failed may have been committed, so it is tried again as the same row.
writer() { # JOURNAL FIRST
  local id=$2
  while [ ! -e "$ledger.stop" ]; do
    if sqlite3 "$base/$1.db" "PRAGMA synchronous = EXTRA; BEGIN;
        INSERT OR IGNORE INTO t VALUES ($id, printf('%0500d', $id)); COMMIT;" 2>>"$errors"; then
      echo "$1 $id" >>"$ledger"
      id=$((id + 1))
    else
      echo "error" >>"$errors"
    fi
  done
}

for journal in wal delete; do
  sqlite3 "$base/$journal.db" "PRAGMA journal_mode = $journal; CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);" \
    >/dev/null || exit 1
done
sync
writer wal 1 &
writer delete 1 &
for _ in 1 2 3; do
  before=$(wc -l <"$ledger")
  sleep 1
  strike destroy 1000
  for _ in $(seq 600); do
    [ "$(wc -l <"$ledger")" -gt $((before + 10)) ] && break
    sleep 0.1
  done
  [ "$(wc -l <"$ledger")" -gt $((before + 10)) ] || { echo "the writers do not go on"; tail "$errors"; exit 1; }
done
: >"$ledger.stop"
wait
strike destroy 1000
for journal in wal delete; do
  whole=$(sqlite3 "$base/$journal.db" "PRAGMA integrity_check;")
  [ "$whole" = ok ] || { echo "$journal: $whole"; exit 1; }
  acknowledged=$(grep -c "^$journal " "$ledger")
  found=$(sqlite3 "$base/$journal.db" \
    "SELECT count(*) FROM t WHERE id <= $acknowledged AND text = printf('%0500d', id);")
  [ "$found" = "$acknowledged" ] || { echo "$journal: $found rows of $acknowledged"; exit 1; }
done
echo "$(wc -l <"$ledger") transactions, $(grep -c '^error' "$errors") errors"
rm -r "$base"
