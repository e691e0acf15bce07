#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sqlite3 with each kind of journal: the same rows as of a database in memory, two writers at once, one killed in the
# middle of a transaction, and PRAGMA integrity_check.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 180
# packages: sqlite3
. "$TEST_DIRECTORY/common.inc"
need sqlite3
make_files_directory

# 30 transactions of 20 rows, an index, updates, deletions, one rolled back.
statements() {
  echo "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, body BLOB); CREATE INDEX by_name ON t (name);"
  local i
  for i in $(seq 30); do
    echo "BEGIN; INSERT INTO t (name, body) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)
      SELECT 'name ' || ($i * 7919 + i * 104729) % 1000, printf('%0*d', 50 + ($i * i * 37) % 900, i) FROM n; COMMIT;"
  done
  echo "UPDATE t SET name = upper(name) WHERE id % 7 = 0; DELETE FROM t WHERE id % 11 = 0;"
  echo "BEGIN; DELETE FROM t; ROLLBACK;"
  echo "VACUUM;"
}
statements >statements.sql
sqlite3 :memory: ".read statements.sql" "SELECT count(*), sum(length(body)), sum(id) FROM t;" >expected || fail "in memory"
sqlite3 :memory: ".read statements.sql" ".dump" >expected.dump

for journal in wal delete truncate persist; do
  database=$files/$journal.db
  sqlite3 "$database" "PRAGMA journal_mode = $journal; PRAGMA synchronous = FULL;" ".read statements.sql" >output ||
    fail "$journal: status $?"
  [ "$(head -n 1 output)" = "$journal" ] || fail "the journal is $(cat output), not $journal"
  sqlite3 "$database" "SELECT count(*), sum(length(body)), sum(id) FROM t;" | cmp - expected || fail "$journal: rows"
  sqlite3 "$database" .dump | cmp - expected.dump || fail "$journal: dump"

  # Two writers that wait for each other, each adding 15 times, while one reads.
  sqlite3 "$database" "CREATE TABLE counter (n INTEGER); INSERT INTO counter VALUES (0);"
  for writer in 1 2; do
    for _ in $(seq 15); do echo "BEGIN IMMEDIATE; UPDATE counter SET n = n + 1; COMMIT;"; done |
      sqlite3 -cmd ".timeout 30000" "$database" >"writer-$writer" 2>&1 &
  done
  for _ in 1 2 3 4 5; do
    sqlite3 -cmd ".timeout 30000" "$database" "SELECT count(*) FROM t;" >/dev/null || fail "$journal: reader"
  done
  wait
  cat writer-1 writer-2
  count=$(sqlite3 "$database" "SELECT n FROM counter;")
  [ "$count" = 30 ] || fail "$journal: 30 increments by two writers make $count"

  # Killed with a transaction open, much of it in the file already.
  mkfifo "pipe-$journal"
  sqlite3 "$database" <"pipe-$journal" >/dev/null 2>&1 &
  victim=$!
  exec 3>"pipe-$journal"
  echo "PRAGMA cache_size = 5; BEGIN; UPDATE t SET body = zeroblob(2000); SELECT count(*) FROM t;" >&3
  echo ".shell touch updated-$journal" >&3
  await test -e "updated-$journal"
  kill -9 "$victim"
  wait "$victim" 2>/dev/null
  exec 3>&-
  sqlite3 "$database" "SELECT count(*), sum(length(body)), sum(id) FROM t;" | cmp - expected ||
    fail "$journal: rows after a writer was killed"
  [ "$(sqlite3 "$database" "PRAGMA integrity_check;")" = ok ] || fail "$journal: integrity_check"
done
exit 0
