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
# An engine's jobs one after the other in one process, which takes as long to start as some of them.
for engine in sync psync vsync pvsync pvsync2 libaio io_uring mmap; do
  jobs=()
  for pattern in write randwrite rw randrw; do
    for block in 512 4k 24k 64k 1m; do
      for direct in 0 1; do
        # Around the cache only what is aligned; a mapping has no other way.
        [[ $direct -eq 0 || ($engine != mmap && $block != 512 && $block != 24k) ]] || continue
        jobs+=(--name="$engine-$pattern-$block-direct-$direct" --stonewall --rw="$pattern" --bs="$block" --direct="$direct")
      done
    done
  done
  begin=$SECONDS
  fio --minimal --name=global --directory="$files" --size=2m --runtime=5 --ioengine="$engine" --iodepth=4 --verify=crc32c \
    --verify_fatal=1 --do_verify=1 --thread=0 --randseed=99 --fsync_on_close=1 --unlink=1 "${jobs[@]}" >log 2>&1 ||
    { grep -v '^3;' log; fail "$engine"; }
  # Terse output, version 3: a line a job, whose 5th field is the error.
  [ "$(grep -c -E '^3;[^;]*;[^;]*;[^;]*;0;' log)" -eq $((${#jobs[@]} / 5)) ] ||
    { cat log; fail "$engine: not every job was done"; }
  echo "$engine: $((${#jobs[@]} / 5)) jobs, $((SECONDS - begin)) s"
done
exit 0
