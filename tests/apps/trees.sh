#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tar and rsync of /usr into the file system and out of it again: every name, byte, mode, owner, time and link.
# tier: long
# boot: shared
# variants: trap shim local
# time: 1800
# packages: rsync
. "$TEST_DIRECTORY/common.inc"
need rsync
make_files_directory
# What a tree is, in one line a name.
tell() {
  (cd "$1" && find . -printf '%P|%y|%m|%U|%G|%s|%l|%n|%T@\n' | sed 's/\(|d|[^|]*|[^|]*|[^|]*\)|[^|]*|/\1||/' | sort)
}
contents() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }
tell /usr >usr.names
contents /usr >usr.sums

mkdir "$files/tar" "$files/rsync"
tar --format=posix -C /usr -cf - . | tar -C "$files/tar" -xpf - || fail "tar"
tell "$files/tar" | diff - usr.names >difference || { head difference; fail "tar: names and attributes differ"; }
contents "$files/tar" | cmp - usr.sums || fail "tar: contents differ"
rsync -aH --delete /usr/ "$files/rsync/" || fail "rsync"
tell "$files/rsync" | diff - usr.names >difference || { head difference; fail "rsync: names and attributes differ"; }
# A second time it has nothing to do, and finds what was changed.
[ -z "$(rsync -aHn --delete --itemize-changes /usr/ "$files/rsync/")" ] || fail "rsync: finds differences"
echo changed >>"$files/rsync/bin/ldd"
rsync -aHc --delete "$files/tar/" "$files/rsync/" || fail "rsync within"
contents "$files/rsync" | cmp - usr.sums || fail "rsync: contents differ"
tar -C "$files/rsync" -cf - . | tar -df - -C /usr >difference 2>&1 || { head difference; fail "tar --diff"; }
rm -r "$files/tar" "$files/rsync" || fail "rm"
exit 0
