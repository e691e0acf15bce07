#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A domain that hangs while it shakes hands with the primary, or while what its predecessor had is recovered in it, is
found as soon as one that is connected: 1 s of its own time, 5 s in all. The one after it serves."""
# tier: fast
# boot: shared
# time: 120
# expect-log primary: says the hypervisor
# expect-log primary: it hangs: no sign of life
import re
import socket
import subprocess
import time

LOG = "/run/virtuos/vosd.log"
# What vosd counts begins with the last step; the bound is 5 s, and emulation adds to it.
LIMIT_MS = 6000


def state():
    line = next(l for l in open("/sys/kernel/debug/virtuos/state") if l.startswith("domain=network "))
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}


def serves():
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname(), 20)
    server, _ = listener.accept()
    client.sendall(b"alive")
    assert server.recv(5) == b"alive"


# Something to be recovered.
kept = socket.create_server(("127.0.0.1", 0))
for how, point in (("hang", "handshake"), ("irqs-off", "grant"), ("hang", "recovery")):
    before, logged = state(), len(open(LOG).read())
    subprocess.run(["vos", "kill", "network", "--how", how, "--at", point], check=True)
    subprocess.run(["vos", "kill", "network"], check=True)
    end = time.monotonic() + 50
    while True:
        now, log = state(), open(LOG).read()[logged:]
        # Both tell what the domain had of that time; the primary's own cap does not.
        hangs = re.findall(r"cleaning: it hangs(?: in the handshake)?: no (?:step|sign of life) for (\d+) ms, "
                           r"(?:of which it had )?\d+ ms", log)
        if hangs and now["state"] == "connected" and now["generation"] != before["generation"]:
            break
        assert time.monotonic() < end, f"{how} at {point}: {now}\n{log}"
        time.sleep(0.1)
    print(f"{how} at {point}: noticed {hangs} ms after its last sign of life; domain {before['domid']}, then {now['domid']}")
    assert len(hangs) == 1 and int(hangs[0]) <= LIMIT_MS, log
    serves()
