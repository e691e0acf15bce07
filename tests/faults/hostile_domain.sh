#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network domain that writes garbage into everything it shares: completions, readiness words, event queues,
# arenas, user sessions: 20,000 seeded misuses under traffic that leave it alive, then 10,000 such
# that it must give the domain up. One that floods the primary with events: programs go on, and if nobody
# asked for them the domain is given up. One that keeps the pages of closed sessions is given up. The primary
# never crashes or hangs, and a new domain serves afterwards.
# tier: fast
# boot: own
# time: 300
# expect-log primary: events in a queue of
# expect-log primary: events that mean nothing
# expect-log primary: pages are still mapped
set -u

domid() { xl domid network 2>/dev/null; }

# Bounded traffic by trap and by shim; what it gets may be nonsense, that it ends is the test.
traffic() {
  for way in --no-shim ""; do
    # shellcheck disable=SC2086
    timeout 20 vos run $way -- python3 - <<'PYTHON' >/dev/null 2>&1
import socket
for _ in range(20):
    try:
        listener = socket.socket(); listener.settimeout(1); listener.bind(("127.0.0.1", 0)); listener.listen()
        client = socket.socket(); client.settimeout(1); client.connect(listener.getsockname())
        server, _ = listener.accept(); server.settimeout(1)
        for size in (1, 40, 41, 5000, 70000):
            client.send(b"x" * size); server.recv(size)
        client.close(); server.close(); listener.close()
    except OSError:
        pass
PYTHON
    [ $? -ne 124 ] || { echo "traffic did not end within 20 s"; exit 1; }
  done
}

# Connected again, by the supervisor, within a bounded time.
await_service() {
  for _ in $(seq 60); do
    case $(grep '^domain=network' /sys/kernel/debug/virtuos/state) in *state=connected*)
      timeout 20 python3 -c 'import socket
l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname())
s, _ = l.accept(); c.sendall(b"alive"); assert s.recv(5) == b"alive"' && return ;;
    esac
    sleep 1
  done
  echo "no network domain serves after 60 s"; cat /sys/kernel/debug/virtuos/state; exit 1
}

misuse() { # SEED COUNT FATAL
  id=$(domid) || { echo "there is no network domain"; exit 1; }
  node=/local/domain/$id/device/vos/0
  xenstore-write "$node/fault" "garbage $1 $2 $3"
  end=$(($(cut -d. -f1 /proc/uptime) + 60))
  while [ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; do
    traffic
    # The domain may have been given up: then this is over, too.
    [ "$(domid)" = "$id" ] || break
    [ -z "$(xenstore-read "$node/fault-done" 2>/dev/null)" ] || break
  done
  if [ "$(domid)" = "$id" ]; then
    done=$(xenstore-read "$node/fault-done" 2>/dev/null)
    echo "seed $1: ${done:-unfinished} misuses, domain $id goes on"
    # What it left in shared memory is not to be trusted: a new one.
    vos restart network || exit 1
  else
    echo "seed $1: $(dmesg | grep -o "virtuos: domain $id failed.*" | tail -1)"
  fi
  await_service
}

# How often a program gets its turn in a second, for a millisecond each: of SECONDS, the average.
turns() { # SECONDS
  python3 - "$1" <<'PYTHON'
import sys, time
end, turns = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < end:
    busy = time.thread_time() + 0.001
    while time.thread_time() < busy: pass
    turns += 1
print(int(turns / float(sys.argv[1])))
PYTHON
}

# What a process might want of a domain is not held against it, but takes only so much of the primary's time.
flood_throttled() {
  id=$(domid) || { echo "there is no network domain"; exit 1; }
  node=/local/domain/$id/device/vos/0
  before=$(turns 2)
  xenstore-write "$node/fault" "flood wake 8000"
  during=$(turns 3)
  for _ in $(seq 200); do
    sent=$(xenstore-read "$node/fault-done" 2>/dev/null) && break
    sleep 0.1
  done
  echo "a flood of ${sent:-?} events: $during turns in a second, before $before"
  [ "${sent:-0}" -gt 50000 ] || { echo "that was no flood"; exit 1; }
  [ "$during" -ge $((before / 5)) ] || { echo "programs do not get on"; exit 1; }
  [ "$(domid)" = "$id" ] || { echo "the domain was given up"; exit 1; }
  await_service
}

# Nobody asks for these.
flood_failed() {
  id=$(domid) || { echo "there is no network domain"; exit 1; }
  xenstore-write "/local/domain/$id/device/vos/0/fault" "flood ready 20000"
  for _ in $(seq 50); do
    dmesg | grep -q "virtuos: domain $id failed: poller 0: events that mean nothing" && break
    sleep 0.1
  done
  dmesg | grep "virtuos: domain $id failed" || { echo "the flood goes on"; exit 1; }
  await_service
}

# A session that is closed is to be let go of. Its pages come back when the domain is gone.
pages_kept() {
  id=$(domid) || { echo "there is no network domain"; exit 1; }
  node=/local/domain/$id/device/vos/0
  xenstore-write "$node/fault" keep
  for _ in $(seq 50); do
    traffic
    dmesg | grep -q "virtuos: domain $id failed" && break
  done
  dmesg | grep "virtuos: domain $id failed: session .*: pages are still mapped" ||
    { echo "pages are kept, and nobody minds"; exit 1; }
  await_service
}

misuse 1 20000 0
misuse 2 10000 1
pages_kept
flood_throttled
flood_failed
grep '^domain=network' /sys/kernel/debug/virtuos/state
