#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The power is cut at random moments while programs make records durable, on a disk with a volatile cache: after each
# cut the file system is sound and every record that fsync, fdatasync, msync or O_DSYNC acknowledged is there. With an
# fsync that only says so, the same test must fail. See tests/host/power_cut.py. A virtio disk: QEMU's NVMe takes writes
# that are to reach the medium (FUA), which journals end with, for ordinary ones.
# tier: fast
# boot: host
# time: 600
set -uo pipefail
checkout=$(pwd)
# In the checkout, which is all the build root sees of this machine.
work=$checkout/build/tests/power-cut
rm -rf "$work"
mkdir -p "$work"
seed=${VOS_TEST_SEED:-$RANDOM} cuts=${VOS_TEST_CUTS:-8}

fail() { echo "$*"; exit 1; }

# What runs in the machine; $1 is an order of the fault injection, or nothing.
cat >"$work/inside" <<'END'
#!/bin/sh
tries=0
until [ "$(stat -f -c %t /srv)" = 65735546 ] || mount -t vosfs storage:/ /srv 2>/dev/null; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || { echo "no storage domain serves"; vos status; exit 1; }
  sleep 0.5
done
[ -z "${1:-}" ] || xenstore-write "/local/domain/$(xl domid storage)/device/vos/0/fault" "$1"
exec vos run -- python3 power_cut.py write /srv/ledger
END
chmod +x "$work/inside"

# Runs the writers until they have told enough, then everything ends at once.
run() { # ORDER
  local line machine
  local -A far=()
  cp --sparse=always "$base" "$work/disk.img"
  rm -f "$work/log"
  touch "$work/log"
  rm -f "$work/pipe"
  mkfifo "$work/pipe"
  tools/vm/vm-run --config "${CONFIG:-test}" --timeout 200 --storage none \
    --qemu -blockdev --qemu "driver=file,node-name=disk,filename=$work/disk.img" \
    --qemu -blockdev --qemu "driver=file,node-name=log,filename=$work/log" \
    --qemu -blockdev --qemu driver=blklogwrites,node-name=logged,file=disk,log=log \
    --qemu -device --qemu virtio-blk-pci,drive=logged,addr=0x11,iommu_platform=on,disable-legacy=on \
    --put tests/host/power_cut.py "$work/inside" "$1" >"$work/pipe" 2>&1 </dev/null &
  machine=$!
  while read -r line; do
    echo "$line"
    [[ $line =~ ^(append|overwrite|rename|mapping|dsync)\ ([0-9]+)$ ]] || continue
    # The moment: when each of them got so far.
    [[ ${BASH_REMATCH[2]} -lt $((40 + seed % 3 * 20)) ]] || far[${BASH_REMATCH[1]}]=1
    [[ ${#far[@]} -lt 5 ]] || break
  done <"$work/pipe" >"$work/ledger"
  kill -KILL "$machine"
  wait "$machine" 2>/dev/null
  [[ ${#far[@]} -eq 5 ]] || { tail -n 20 "$work/ledger"; return 1; }
}

check() {
  tools/build-root-exec python3 tests/host/power_cut.py check "/virtuos/${base#"$checkout"/}" \
    "/virtuos/${work#"$checkout"/}/log" "/virtuos/${work#"$checkout"/}/ledger" "/virtuos/${work#"$checkout"/}/cut.img" "$cuts" "$seed"
}

base=$(tools/image/storage-image) || fail "no image of a disk"
echo "--- seed $seed"
run "" || fail "the writers did not get far enough"
check || fail "seed $seed: what was acknowledged is not there"

echo "--- fsync that does nothing"
run nosync || fail "the writers did not get far enough"
check
[[ $? -eq 3 ]] || fail "seed $seed: the test does not notice that fsync does nothing"
rm -rf "$work"
