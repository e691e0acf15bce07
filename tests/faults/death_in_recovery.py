#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A domain that dies while sockets are being recovered in it: those that had moved and those that had not are all
there in the next one, with their ports, and take what is sent to them.
"""
# tier: fast
# boot: shared
# time: 120
# expect-log primary: says the hypervisor
import re
import resource
import socket
import subprocess
import time

SOCKETS = 1500
CONNECTING = "3"  # XenbusStateInitialised: the back-end is about to recover, or at it


def state():
    line = next(l for l in open("/sys/kernel/debug/virtuos/state") if l.startswith("domain=network "))
    return {key: value.strip('"') for key, value in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def wait(what, why):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise SystemExit(f"waited for {why} in vain: {state()}")


def new_domain(old):
    domid = output("xl", "domid", "network")
    return domid if domid.isdigit() and int(domid) > int(old) else None


resource.setrlimit(resource.RLIMIT_NOFILE, (SOCKETS + 100, SOCKETS + 100))
sockets = []
for i in range(SOCKETS):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    one.settimeout(10)
    sockets.append(one)
names = [one.getsockname() for one in sockets]

before = state()
subprocess.run(["vos", "kill", "network"], check=True)
domid = wait(lambda: new_domain(before["domid"]), "the second domain")
path = f"/local/domain/0/backend/vos/{domid}/0/state"
wait(lambda: output("xenstore-read", path) == CONNECTING, "its back-end")
time.sleep(0.1)
subprocess.run(["vos", "kill", "network"], check=True)
after = wait(lambda: (lambda s: s if s["state"] == "connected" and int(s["domid"]) > int(domid) else None)(state()),
             "the third domain")
print(f"domains {before['domid']}, {domid}, {after['domid']}")

assert [one.getsockname() for one in sockets] == names, "sockets have other names"
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i, one in enumerate(sockets):
    sender.sendto(b"%d" % i, names[i])
    data = one.recv(100)
    assert data == b"%d" % i, f"socket {i} receives {data}"
