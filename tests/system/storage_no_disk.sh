#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A storage domain without disk runs, says what it lacks, and is not restarted for it; its files cannot be mounted.
# tier: fast
# boot: shared
# time: 60
# vm: --domain pvh --storage none
set -eu

vos status
vos status --json | python3 -c '
import json, sys
domain = next(d for d in json.load(sys.stdin)["domains"] if d["kind"] == "storage")
assert domain["state"] == "connected", domain
assert domain["disk"] == "" and domain["disk_state"] == "no-disk" and domain["disk_detail"], domain
assert domain["restarts"] == 0 and domain["reason"] == "", domain'
vos ping storage --count 1000
if vos prepare storage 2>/tmp/refusal; then echo "prepared what is not there"; exit 1; fi
grep -q 'no disk' /tmp/refusal
if timeout 40 mount -t vosfs storage:/ /mnt; then echo "mounted what is not there"; exit 1; fi
[ "$(xl list | grep -c '^storage ')" = 1 ]
