#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx with sendfile serves files of the storage domain through the network domain: to a client beside the machine and
# to one in the primary, while they are replaced.
# tier: fast
# boot: shared
# variants: trap shim
# time: 180
# host: peer
# forward: 18082:8082
. "$TEST_DIRECTORY/common.inc"
need nginx
make_files_directory
root=$files/root
mkdir "$root"
chmod 755 . "$root"
head -c 3000 /dev/zero >"$root/small"
head -c 300000 /dev/zero >"$root/large"
start_nginx 8082 "$root" "$files"
load 18082 200 4 /small 3000
load 18082 10 2 /large 300000

# Other bytes under the same names, some while they are fetched.
for round in 1 2 3 4 5; do
  for size in 1 4095 4096 70000; do
    head -c "$size" /dev/urandom >"$root/new"
    sum=$(sha256sum <"$root/new")
    mv "$root/new" "$root/bytes-$size"
    [ "$(curl -sf --max-time 30 "http://127.0.0.1:8082/bytes-$size" | sha256sum)" = "$sum" ] ||
      fail "round $round: $size bytes arrive as others"
  done
done
# A part of one.
head -c 100000 /dev/urandom >"$root/part"
curl -sf --max-time 30 -r 50000-59999 http://127.0.0.1:8082/part | cmp - <(tail -c +50001 "$root/part" | head -c 10000) ||
  fail "a range of a file"
kill -QUIT "$server"
wait "$server" || fail "nginx ended with status $?"
exit 0
