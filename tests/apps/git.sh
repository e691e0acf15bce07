#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# git: a repository made commit by commit, branched, packed, cloned and checked, gives the same hashes as one in memory.
# tier: fast
# boot: shared
# variants: trap shim local
# time: 180
# packages: git
. "$TEST_DIRECTORY/git.inc"

make_repository() { # DIRECTORY: prints its hashes
  local i
  git init -q "$1" || return 1
  (
    cd "$1" || exit 1
    for i in $(seq 12); do
      mkdir -p "directory-$((i % 4))/deep/er"
      seq "$i" $((i * 200)) >"directory-$((i % 4))/deep/er/file-$i"
      head -c $((i * 3001)) /dev/zero | tr '\0' "\\$((100 + i % 10))" >"large-$((i % 3))"
      chmod $((i % 2 ? 755 : 644)) "large-$((i % 3))"
      ln -sf "large-$((i % 3))" link
      git add -A && git commit -q -m "commit $i" || exit 1
    done
    git checkout -q -b side HEAD~5 && echo side >side-file && git add -A && git commit -q -m side || exit 1
    git checkout -q main && git merge -q -m merge side >/dev/null || exit 1
    git gc -q --prune=now || exit 1
    git fsck --full --strict >fsck.log 2>&1 || { cat fsck.log >&2; exit 1; }
    rm fsck.log
    git status --porcelain
    git rev-parse main side main^{tree}
    git log --format=%H main | sha256sum
  )
}
make_repository "$PWD/reference" >expected || fail "in memory"
make_repository "$files/repository" >hashes || fail "the repository"
cmp expected hashes || fail "other hashes than in memory"

# With links to the packs, and by the protocol.
git clone -q "$files/repository" "$files/linked" || fail "clone"
git clone -q "file://$files/repository" "$files/copied" || fail "clone by the protocol"
for clone in linked copied; do
  git -C "$files/$clone" fsck --full >/dev/null 2>&1 || fail "$clone: fsck"
  [ "$(git -C "$files/$clone" rev-parse HEAD)" = "$(head -n 1 expected)" ] || fail "$clone: HEAD"
  diff -r --exclude=.git reference "$files/$clone" || fail "$clone: the tree differs"
  [ -z "$(git -C "$files/$clone" status --porcelain)" ] || fail "$clone: changed"
done
echo more >>"$files/linked/large-1"
git -C "$files/linked" commit -q -a -m more || fail "commit in a clone"
git -C "$files/linked" push -q origin HEAD:pushed || fail "push"
[ "$(git -C "$files/repository" rev-parse pushed)" = "$(git -C "$files/linked" rev-parse HEAD)" ] || fail "what was pushed"
exit 0
