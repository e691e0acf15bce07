#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A disk without anything on it is no failure and is not touched, until an operator has it prepared; then it is served
# and mounted by itself. Prepared once, it is not prepared again.
# tier: fast
# boot: own
# time: 90
# vm: --storage blank
set -eu

# field NAME: of the storage domain's status
field() { vos status --json | python3 -c '
import json, sys
print(next(d for d in json.load(sys.stdin)["domains"] if d["kind"] == "storage")[sys.argv[1]])' "$1"; }
# refused WHY CMD...: CMD fails and says so
refused() {
  why=$1
  shift
  if "$@" 2>/tmp/refusal; then echo "not refused: $*"; exit 1; fi
  grep -q "$why" /tmp/refusal || { cat /tmp/refusal; exit 1; }
}

vos status
[ "$(field state)" = connected ]
[ "$(field disk_state)" = unprepared ]
[ "$(field restarts)" = 0 ]
if grep -q ' /srv vosfs ' /proc/self/mounts; then echo "mounted before it is prepared"; exit 1; fi
refused 'no storage domain' vos prepare network
refused 'no service domain' vos prepare nothing

vos prepare storage
vos status
[ "$(field disk_state)" = serving ]
[ "$(field restarts)" = 1 ]

# The primary's init mounts it, by /etc/fstab, once it is served.
python3 - <<'PYTHON'
import select
with open("/proc/self/mounts") as mounts:
    changes = select.poll()
    changes.register(mounts, select.POLLPRI)
    while " /srv vosfs " not in mounts.read():
        assert changes.poll(10000), "not mounted"
        mounts.seek(0)
PYTHON
echo kept >/srv/file
sync /srv/file

refused 'prepared already' vos prepare storage
[ "$(cat /srv/file)" = kept ]
[ "$(field restarts)" = 1 ]
