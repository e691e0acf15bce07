#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# No-ops through a kernel lane: vos ping answers, and the counters say so.
# tier: fast
# boot: shared
set -eu
counter() { vos stats --json | python3 -c '
import json, sys
def find(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "kernel_calls": return value
            found = find(value)
            if found is not None: return found
    if isinstance(node, list):
        for value in node:
            found = find(value)
            if found is not None: return found
print(find(json.load(sys.stdin)))'; }
before=$(counter)
vos ping --count 1000
after=$(counter)
echo "kernel calls: $before, then $after"
[ "$after" -ge $((before + 1000)) ]
