#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The network domain as a PVH guest, without a NIC: no-ops, and TCP over its loopback by trap and with the shim.
# tier: fast
# boot: shared
# time: 60
# vm: --domain pvh --storage none
set -eu

vos status
xl list -l network | grep -q '"type": "pvh"' || { echo "the network domain is no PVH guest"; exit 1; }
vos ping --count 1000
[ "$(ip -brief link | wc -l)" -ge 1 ] || { echo "not even a loopback device"; exit 1; }

for way in --no-shim ""; do
  # shellcheck disable=SC2086
  vos run $way -- python3 - <<'PYTHON'
import socket
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
sent = bytes(i & 255 for i in range(100000))
for size in [1] * 200 + [40, 41, 4096, 65536]:
    client.sendall(sent[:size])
    got = b""
    while len(got) < size:
        got += server.recv(size - len(got))
    assert got == sent[:size], size
PYTHON
done
sessions=$(sed -n 's/^network.sessions_opened //p' /sys/kernel/debug/virtuos/stats)
[ "$sessions" -ge 1 ] || { echo "the shim earned no session"; exit 1; }
echo "$sessions session(s)"
