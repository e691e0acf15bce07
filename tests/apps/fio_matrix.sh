#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fio with verification: every engine with every pattern, small and large blocks, with and without the cache.
# tier: long
# boot: shared
# variants: trap shim local
# time: 1500
# packages: fio
. "$TEST_DIRECTORY/common.inc"
need fio
make_files_directory
for engine in sync psync vsync pvsync pvsync2 libaio io_uring mmap; do
  for pattern in write randwrite rw randrw; do
    for block in 512 4k 24k 64k 1m; do
      for direct in 0 1; do
        # Around the cache only what is aligned; a mapping has no other way.
        [[ $direct -eq 0 || ($engine != mmap && $block != 512 && $block != 24k) ]] || continue
        fio --name=matrix --directory="$files" --size=3m --runtime=5 --ioengine="$engine" --rw="$pattern" --bs="$block" \
          --direct="$direct" --iodepth=4 --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal --thread=0 \
          --randseed=99 --fsync_on_close=1 >log 2>&1 || { cat log; fail "$engine $pattern $block direct=$direct"; }
        rm -f "$files"/matrix*
      done
    done
  done
done
exit 0
