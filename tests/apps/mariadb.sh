#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# MariaDB under sysbench, killed in the middle of it and started again; its tables are sound and no row is lost.
# tier: long
# boot: shared
# variants: trap shim local
# time: 1200
# packages: mariadb-server sysbench
. "$TEST_DIRECTORY/common.inc"
need mariadbd
need sysbench
make_files_directory
data=$files/data
# Of its user: also what it keeps for a while, which has no name.
mkdir "$data" "$files/temporary" run
chown mysql: "$data" "$files/temporary" run
socket=$PWD/run/socket
mariadb-install-db --no-defaults --user=mysql --datadir="$data" --tmpdir="$files/temporary" --skip-test-db \
  --auth-root-authentication-method=normal >install.log 2>&1 || { cat install.log; fail "mariadb-install-db"; }
start() {
  mariadbd --no-defaults --user=mysql --datadir="$data" --tmpdir="$files/temporary" --socket="$socket" --skip-networking \
    --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --pid-file="$PWD/run/pid" >>server.log 2>&1 &
  server=$!
  await mariadb-admin --socket="$socket" --user=root ping
}
query() { mariadb --socket="$socket" --user=root --batch --skip-column-names --execute "$1"; }
bench() { sysbench oltp_read_write --mysql-socket="$socket" --mysql-user=root --tables=2 --table-size=2000 --threads=2 "$@"; }
start
query 'CREATE DATABASE sbtest; CREATE TABLE sbtest.ledger (n INTEGER PRIMARY KEY) ENGINE = InnoDB'
bench prepare >prepare.log 2>&1 || { tail prepare.log; fail "prepare"; }
bench --time=20 run >run.log 2>&1 || { tail run.log; fail "sysbench"; }
grep -E 'transactions:|ignored errors' run.log
# Rows with an answer each, while it is killed.
for n in $(seq 100000); do
  query "INSERT INTO sbtest.ledger VALUES ($n)" 2>/dev/null || break
  echo "$n" >acknowledged
done &
writer=$!
bench --time=60 run >crash.log 2>&1 &
load=$!
await test -s acknowledged
sleep 5
kill -KILL "$server"
wait "$server" "$load" "$writer" 2>/dev/null
start
rows=$(query 'SELECT max(n) FROM sbtest.ledger')
[ "$rows" -ge "$(cat acknowledged)" ] || fail "$rows rows, $(cat acknowledged) were acknowledged"
[ "$(query 'SELECT count(*) FROM sbtest.ledger')" = "$rows" ] || fail "rows are missing in between"
query 'CHECK TABLE sbtest.sbtest1, sbtest.sbtest2, sbtest.ledger EXTENDED' | tee check.log
[ "$(grep -c 'status.OK' check.log)" = 3 ] || fail "a table is not sound"
[ "$(query 'SELECT count(*) FROM sbtest.sbtest1')" = 2000 ] || fail "rows of sysbench's table"
mariadb-admin --socket="$socket" --user=root shutdown || fail "shutdown"
wait "$server" || fail "mariadbd ended with status $?"
exit 0
