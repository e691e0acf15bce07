#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fio writes at random and reads all of it back, with a checksum in every block, by each way of doing so.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 180
# packages: fio
. "$TEST_DIRECTORY/common.inc"
need fio
make_files_directory
common="--directory=$files --size=2m --runtime=5 --verify=crc32c --verify_fatal=1 --do_verify=1 --verify_backlog=64
  --randseed=4711 --rw=randwrite --group_reporting --minimal --thread=0 --fallocate=none"

run() { # NAME OPTION...
  local name=$1
  shift
  # shellcheck disable=SC2086  # options are words
  fio --name="$name" $common "$@" >"$name.log" 2>&1 || { cat "$name.log"; fail "$name fails"; }
  # Terse output, version 3: the 5th field is the error.
  [ "$(grep -E '^3;' "$name.log" | cut -d';' -f5)" = 0 ] || { cat "$name.log"; fail "$name"; }
  echo "$name: $(grep -E '^3;' "$name.log" | cut -d';' -f47) KiB written"
}
run psync --ioengine=psync --bsrange=512-65536 --numjobs=2
run sequential --ioengine=sync --bs=4k --fsync=16
run vectors --ioengine=pvsync2 --bs=16k
run libaio --ioengine=libaio --bs=4k --iodepth=8 --direct=1
run io_uring --ioengine=io_uring --bs=4k --iodepth=8
run mmap --ioengine=mmap --bs=4k --fsync=32
exit 0
