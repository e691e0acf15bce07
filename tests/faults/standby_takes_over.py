#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The standby of a domain that dies serves in its place, with its device, and another standby waits soon. Parked, it
uses no processor. Twice for each domain: what the primary and the toolstack hold for them is the same afterwards."""
# tier: fast
# boot: shared
# time: 180
# vm: --linux virtuos.network.standby=yes --linux virtuos.storage.standby=yes
# expect-log primary: it crashed or shut down
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/standby.inc").read())

IDLE_S, IDLE_LIMIT = 3, 0.02
OUTAGE_LIMIT_MS = 10000


def processor_seconds(domid):
    return float(next(l for l in output("xl", "list").splitlines() if l.split()[1] == str(domid)).split()[5])


def held():
    """Nodes in xenstore with the numbers of domains left out, names of domains, shared pages."""
    nodes = [re.sub(r"/(\d+|[0-9a-f-]{36})(?=/|$)", "/N", line.split(" = ")[0])
             for line in output("xenstore-ls", "-f").splitlines()]
    nodes = [n for n in nodes if re.match(r"/(vm|libxl|local/domain/N/(backend|error))", n)]
    names = sorted(line.split()[0] for line in output("xl", "list").splitlines()[1:])
    shared = next(l for l in open("/sys/kernel/debug/virtuos/state") if l.startswith("attached="))
    return {"nodes": sorted(nodes), "names": names, "shared": shared}


server, file = Server(), File()
before_all = None
for round in range(2):
    for name, serves in (("network", server.serves), ("storage", file.serves)):
        standby = parked(name)
        used = processor_seconds(standby)
        time.sleep(IDLE_S)
        used = processor_seconds(standby) - used
        assert used <= IDLE_LIMIT * IDLE_S + 0.1, f"the parked standby of {name} used {used} s of {IDLE_S}"

        before, device = connection(name), supervised(name)[DEVICES[name]]
        had = addresses()
        serves()
        start = time.monotonic()
        crash(int(before["domid"]))
        after = await_recovery(name, before)
        serves()
        outage = (time.monotonic() - start) * 1000
        assert int(after["domid"]) == standby, f"{name} is domain {after['domid']}, its standby was {standby}"
        assert int(after["generation"]) == int(before["generation"]) + 1
        await_that(lambda: addresses() == had, 20, "the NIC has not its address again")
        now = await_that(lambda: supervised(name)["phase"] == "connected" and supervised(name), 10, "vosd is not done")
        assert now["domid"] == standby and now[DEVICES[name]] == device
        owners = [d for d in output("xenstore-ls", "-f", "/local/domain/0/backend/pci").splitlines()
                  if re.search(r"/dev-0 = ", d) and device in d]
        assert len(owners) == 1 and f"/pci/{standby}/0/" in owners[0], owners
        assert output("xl", "domid", name).strip() == str(standby)
        print(f"{name}: domain {before['domid']}, then {standby}; served again after {outage:.0f} ms", flush=True)
        assert outage <= OUTAGE_LIMIT_MS
    for name in ("network", "storage"):
        parked(name)
    # What the toolstack cleans up behind it.
    time.sleep(1)
    if before_all is None:
        before_all = held()
now = held()
assert now == before_all, f"{set(now['nodes']) ^ set(before_all['nodes'])} {now['names']} {now['shared']} {before_all}"
os.unlink(file.path)
