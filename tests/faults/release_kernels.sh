#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# CONFIG=release: the service kernels have no fault injection, and `vos kill` says so; they can be killed all the same.
# tier: long
# boot: host
# time: 120
set -u
[ -e build/linux-network-release/arch/x86/boot/bzImage ] || { echo "make CONFIG=release was not run"; exit 77; }
for domain in network storage; do
  if grep -q vos_fault "build/linux-$domain-release/System.map"; then
    echo "the $domain kernel has code of fault injection"
    exit 1
  fi
done
script=$(mktemp)
trap 'rm -f "$script"' EXIT
cat >"$script" <<'INSIDE'
#!/bin/bash
set -u
for domain in network storage; do
  for how in panic wild-dma; do
    said=$(vos kill $domain --how $how 2>&1) && { echo "$domain: $how was done"; exit 1; }
    echo "$said"
    grep -q "has no fault injection" <<<"$said" || exit 1
  done
done
vos kill network --how destroy || exit 1
for _ in $(seq 300); do
  [ "$(vos status --json | grep -c '"restarts": 1')" -eq 1 ] && vos ping --count 1 >/dev/null 2>&1 && exit 0
  sleep 0.1
done
echo "no other network domain"
exit 1
INSIDE
chmod +x "$script"
tools/vm/vm-run --config release --timeout 60 "$script"
