#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Disks that are missing, blank, foreign, corrupt or not ours to write to: `vos status` says which, nothing is mounted, a
# foreign one is never written to, and a blank one serves once it was prepared on request.
# tier: fast
# boot: host
# time: 420
set -uo pipefail
checkout=$(pwd)
# In the checkout, which is all the build root sees of this machine.
work=$checkout/build/tests/disk-states
rm -rf "$work"
mkdir -p "$work"

fail() { echo "$*"; exit 1; }
in_root() { tools/build-root-exec bash -euc "cd '/virtuos/${work#"$checkout"/}'; $1"; }

# Runs a script in a machine with that disk.
machine() { # DISK
  cat >"$work/inside"
  chmod +x "$work/inside"
  tools/vm/vm-run --config "${CONFIG:-test}" --timeout 120 --storage "$1" "$work/inside" || fail "with the disk $1: status $?"
}

common='
set -u
fail() { echo "$*"; vos status; exit 1; }
# Waits for a state of the storage domain.
await() {
  for _ in $(seq 120); do
    state=$(vos status | tr "\n" " ")
    case $state in *"$1"*) return 0 ;; esac
    sleep 0.5
  done
  fail "vos status does not say $1"
}
not_mounted() {
  [ "$(stat -f -c %t /srv)" != 65735546 ] || fail "/srv is mounted"
  timeout 60 mount -t vosfs storage:/ /mnt 2>/dev/null && fail "it can be mounted"
  [ $? -ne 124 ] || fail "mount hangs"
  # The rest works.
  vos ping >/dev/null || fail "the network domain does not answer"
}
'

echo "--- none"
machine none <<END
#!/bin/sh
$common
await "disk: no-disk"
not_mounted
END

echo "--- blank, then prepared"
machine blank <<END
#!/bin/sh
$common
await "disk: unprepared"
not_mounted
vos prepare storage || fail "it cannot be prepared"
await "disk: serving"
for _ in \$(seq 60); do [ "\$(stat -f -c %t /srv)" = 65735546 ] && break; mount -t vosfs storage:/ /srv 2>/dev/null; sleep 0.5; done
echo text >/srv/file && [ "\$(cat /srv/file)" = text ] || fail "it does not serve"
# A second time nothing is done to it.
vos prepare storage 2>/dev/null && fail "a disk that is in use is prepared again"
[ "\$(cat /srv/file)" = text ] || fail "what was there is gone"
END

echo "--- foreign"
in_root 'truncate -s 64M foreign.img; mkdir -p tree; echo precious >tree/file; mke2fs -q -t ext4 -L somebodys -d tree foreign.img'
before=$(sha256sum <"$work/foreign.img")
machine "$work/foreign.img" <<END
#!/bin/sh
$common
await "disk: foreign"
not_mounted
vos prepare storage 2>/dev/null
await "disk: foreign"
not_mounted
END
[[ $(sha256sum <"$work/foreign.img") == "$before" ]] || fail "a foreign disk was written to"

echo "--- corrupt"
# Its label says that it is ours; what the inodes say makes no sense, and e2fsck -p leaves that to people.
in_root 'truncate -s 64M corrupt.img; mkdir -p tree/export; mke2fs -q -t ext4 -L virtuos -O ^metadata_csum -d tree corrupt.img
  debugfs -w -R "clri <2>" corrupt.img 2>/dev/null; debugfs -w -R "set_super_value state 2" corrupt.img 2>/dev/null'
machine "$work/corrupt.img" <<END
#!/bin/sh
$common
await "disk: corrupt"
not_mounted
vos prepare storage 2>/dev/null
await "disk: corrupt"
END
[[ $(in_root 'dumpe2fs -h corrupt.img 2>/dev/null' | sed -n 's/^Filesystem volume name: *//p') == virtuos ]] ||
  fail "a corrupt disk was formatted"
rm -rf "$work"
