#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# git with a tree as large as a kernel's: 60,000 files in 4,000 directories added, committed, packed, cloned and checked.
# tier: long
# boot: shared
# variants: trap shim local
# time: 3000
# packages: git
. "$TEST_DIRECTORY/git.inc"
git init -q "$files/tree" || fail "init"
python3 - "$files/tree" <<'PYTHON' || fail "the files"
import os, sys
for i in range(4000):
    directory = os.path.join(sys.argv[1], f"{i % 40:02}", f"{i // 40:02}")
    os.makedirs(directory)
    for j in range(15):
        with open(os.path.join(directory, f"file-{j}.c"), "w") as file:
            file.write(f"line {i} {j}\n" * (1 + (i * 15 + j) * 7919 % 400))
PYTHON
cd "$files/tree" || fail "cd"
git add -A && git commit -q -m all || fail "commit"
[ "$(git ls-files | wc -l)" = 60000 ] || fail "$(git ls-files | wc -l) files"
[ -z "$(git status --porcelain)" ] || fail "status"
for i in 01 17 39; do echo changed >>"$i/05/file-3.c"; done
[ "$(git status --porcelain | wc -l)" = 3 ] || fail "status finds $(git status --porcelain | wc -l) changes, not 3"
git commit -q -a -m change || fail "commit"
git gc -q || fail "gc"
git fsck --full >/dev/null 2>&1 || fail "fsck"
git clone -q . "$files/clone" || fail "clone"
[ "$(git -C "$files/clone" rev-parse 'HEAD^{tree}')" = "$(git rev-parse 'HEAD^{tree}')" ] || fail "the clone's tree"
[ -z "$(git -C "$files/clone" status --porcelain)" ] || fail "the clone is changed"
git checkout -q HEAD~1 || fail "checkout"
cd "$HOME" || fail "cd"
exit 0
