#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A storage domain that lies: 3,000 answers to operations on files and to FUSE messages are falsified (lengths, results,
# positions, flags, words of replies) under traffic, then some are never given. The primary never crashes or hangs,
# what does not live in the domain is untouched, and a new domain serves a tree that is what it was on the disk.
# tier: fast
# boot: own
# time: 500
# expect-log storage: lies, seed
set -u

fail() { echo "$*"; exit 1; }
[ "$(stat -f -c %t /srv)" = 65735546 ] || fail "/srv is not the storage domain's"

# What is there before, on the disk; and beside the domain.
mkdir /srv/kept
for i in 1 2 3 4 5 6 7 8; do head -c $((i * 30000)) /dev/urandom >"/srv/kept/$i"; done
sync
(cd /srv/kept && sha256sum *) >sums
cp -r /srv/kept local-copy

# Traffic of some seconds by trap and by shim; what it gets may be nonsense, that it ends is the test. An answer that never
# comes is waited for once: then the domain is given up.
traffic() { # SECONDS
  for way in --no-shim ""; do
    # shellcheck disable=SC2086
    timeout "$1" vos run $way -- python3 - <<'PYTHON' >/dev/null 2>&1
import mmap, os, time
end = time.monotonic() + 4
i = 0
while time.monotonic() < end:
    i += 1
    try:
        os.makedirs("/srv/lies", exist_ok=True)
        name = f"/srv/lies/{i}"
        fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
        for j in range(20):
            os.pwrite(fd, bytes([j]) * (100 * j + 1), j * 1000)
            os.pread(fd, 5000, j * 700)
        os.fsync(fd)
        os.fstat(fd)
        os.listdir("/srv/lies")
        with mmap.mmap(fd, 4096) as mapping:
            mapping[5] = 1
        os.setxattr(fd, "user.x", b"y" * 100)
        os.getxattr(fd, "user.x")
        os.truncate(name, 3000)
        os.close(fd)
        os.rename(name, name + "-moved")
        os.symlink("target", name)
        os.readlink(name)
        os.unlink(name)
        os.statvfs("/srv")
        open("/srv/kept/3", "rb").read()
    except (OSError, ValueError):
        os.closerange(3, 64)
PYTHON
    [ $? -ne 124 ] || fail "traffic did not end within $1 s"
  done
}

order() { # SEED COUNT FATAL
  id=$(xl domid storage) || fail "there is no storage domain"
  xenstore-write "/local/domain/$id/device/vos/0/fault" "lies $1 $2 $3"
}

# How often the domain said that it had told all lies of an order.
told() { grep -c 'all lies are told' /var/log/xen/console/guest-storage.log; }

for seed in 1 2; do
  before=$(told)
  order $seed 1500 0
  rounds=0
  until [ "$(told)" -gt "$before" ]; do
    rounds=$((rounds + 1))
    [ $rounds -le 10 ] || fail "the lies last longer than $rounds rounds"
    traffic 60
  done
  echo "seed $seed: $rounds rounds"
done

# With those that get no answer: until the domain is given up.
order 3 1500 1
rounds=0
while [ "$(xl domid storage 2>/dev/null)" = "$id" ]; do
  rounds=$((rounds + 1))
  [ $rounds -le 10 ] || fail "the domain is not given up"
  traffic 150
done
# The rest of the system has seen nothing of it.
(cd local-copy && sha256sum -c --quiet ../sums) || fail "files beside the domain are not what they were"
vos ping >/dev/null || fail "the network domain does not answer"

# A new one; the old mounts are of the old domain.
umount -l /srv
vos restart storage || fail "it cannot be restarted"
tries=0
until [ "$(stat -f -c %t /srv)" = 65735546 ] || mount -t vosfs storage:/ /srv 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || fail "no storage domain serves after 60 s"
  sleep 0.5
done
(cd /srv/kept && sha256sum -c --quiet "$OLDPWD/sums") || fail "files in the domain are not what they were"
traffic 40
echo alive >/srv/alive && [ "$(cat /srv/alive)" = alive ] || fail "the new domain does not serve"
