#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stress-ng's file-system class, each stressor for some seconds with --verify.
# tier: long
# boot: shared
# variants: trap shim local
# time: 1800
# packages: stress-ng
. "$TEST_DIRECTORY/common.inc"
need stress-ng
make_files_directory
# Left out is what needs a device, a file system or a mount of its own (binderfs, bind-mount, verity), what no FUSE file
# system has (extents by FIEMAP, flags and ioctls of ext4), and a walk through all of /proc, which has nothing to do with it.
stress-ng --temp-path "$files" --class filesystem --sequential 1 --timeout 4 --verify --metrics-brief --oomable \
  --exclude binderfs,bind-mount,chattr,fiemap,file-ioctl,inode-flags,procfs,verity >log 2>&1
status=$?
grep -E 'fail:|error|skipp' log | head -n 40
tail -n 5 log
[ $status -eq 0 ] || fail "stress-ng: status $status"
exit 0
