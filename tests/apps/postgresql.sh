#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# PostgreSQL: initdb as its user (by trap, on the storage domain's files; the other variants get copies of what it made),
# a short pgbench, stopped as in a crash in the middle of another one and started again; every transaction that was
# acknowledged is there, the sums agree, and so do the checksums of all pages.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 400
# packages: postgresql
. "$TEST_DIRECTORY/common.inc"
programs=$(echo /usr/lib/postgresql/*/bin)
[ -x "$programs/initdb" ] || { echo "PostgreSQL is not installed"; exit 77; }
make_files_directory
chmod 755 .
data=$files/data
made=/var/tmp/virtuos-postgresql   # also of tests/faults/postgresql.inc
mkdir socket work
chown postgres: socket work
export PGHOST=$PWD/socket PGUSER=postgres PGDATABASE=postgres PATH=$programs:$PATH

# As the database's user, which owns all of it.
as_user() { (cd work && setpriv --reuid=postgres --regid=postgres --init-groups "$@"); }

if [ "$VOS_TEST_VARIANT" != trap ] && [ -d "$made" ]; then
  cp -a "$made" "$data" || fail "the files cannot be copied"
else
  mkdir "$data"
  chown postgres: "$data"
  as_user initdb --pgdata "$data" --no-locale --encoding UTF8 --auth trust --data-checksums --wal-segsize 1 --no-sync \
    >initdb.log 2>&1 || { cat initdb.log; fail "initdb fails"; }
  if [ ! -d "$made" ]; then
    cp -a "$data" "$made.$$" && mv "$made.$$" "$made" || fail "the files cannot be copied"
  fi
fi
[ "$(stat -c %U "$data/PG_VERSION")" = postgres ] || fail "the files belong to $(stat -c %U "$data/PG_VERSION")"
cat >>"$data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$PWD/socket'
shared_buffers = 8MB
dynamic_shared_memory_type = posix
max_connections = 10
autovacuum = off
logging_collector = off
END
start() {
  as_user pg_ctl --pgdata "$data" --log "$PWD/work/server.log" --timeout 120 --wait start >start.log 2>&1 ||
    { cat start.log work/server.log; fail "the server does not start"; }
}
query() { psql --no-psqlrc --tuples-only --no-align --command "$1"; }
# What pgbench says it got an answer for.
processed() { sed -n 's|^number of transactions actually processed: \([0-9]*\).*|\1|p' "$1"; }

start
pgbench --initialize --scale 1 --init-steps dtGp --quiet >init.log 2>&1 || { cat init.log; fail "pgbench --initialize"; }
pgbench --client 2 --transactions 40 --no-vacuum >bench.log 2>&1 || { cat bench.log; fail "pgbench fails"; }
first=$(processed bench.log)
[ "$first" = 80 ] || fail "$first transactions, not 80"

# In the middle of another one, whose clients lose their connections.
pgbench --client 2 --time 60 --no-vacuum --log --log-prefix "$PWD/acknowledged" >crash.log 2>&1 &
load=$!
under_way() { [ "$(query 'SELECT count(*) FROM pgbench_history')" -gt 100 ]; }
await under_way
as_user pg_ctl --pgdata "$data" --mode immediate --wait stop >/dev/null || fail "stop"
wait "$load"
acknowledged=$(cat acknowledged.* | wc -l)
start
grep -q 'database system was not properly shut down' work/server.log || fail "it was no crash"

read -r accounts tellers branches history count <<END
$(query "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
  (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history),
  (SELECT count(*) FROM pgbench_history)" | tr '|' ' ')
END
echo "$count transactions, $first and then $acknowledged acknowledged; sums $accounts $tellers $branches $history"
if [ "$accounts" != "$history" ] || [ "$tellers" != "$history" ] || [ "$branches" != "$history" ]; then
  fail "the sums differ"
fi
# Of each client one may have been done and not acknowledged.
[ "$count" -ge $((first + acknowledged)) ] || fail "acknowledged transactions are lost"
[ "$count" -le $((first + acknowledged + 2)) ] || fail "there are transactions nobody made"

as_user pg_ctl --pgdata "$data" --mode fast --wait stop >/dev/null || fail "stop"
as_user pg_checksums --pgdata "$data" --check >checksums.log 2>&1 || { cat checksums.log; fail "checksums"; }
grep -E 'Bad checksums|Blocks scanned' checksums.log
exit 0
