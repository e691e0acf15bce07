#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Standbys die, or are not ready: a parked one is replaced while its domain serves on; a domain whose standby is dead, or
which dies again right after a takeover, comes back nevertheless; so it does if vosd dies with a standby waiting."""
# tier: fast
# boot: shared
# time: 240
# vm: --linux virtuos.network.standby=yes --linux virtuos.storage.standby=yes
# expect-log primary: it crashed or shut down
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/standby.inc").read())

server, file = Server(), File()
serving = {"network": server.serves, "storage": file.serves}

# Parked ones crash, or are destroyed behind the toolstack's back.
for name, end in (("network", crash), ("storage", lambda domid: library.xc_domain_destroy(xen, domid))):
    standby, before = parked(name), connection(name)
    end(standby)
    await_that(lambda: supervised(name)["standby_domid"] != standby, 20, "the dead standby is kept")
    serving[name]()
    another = parked(name)
    assert another != standby
    assert connection(name)["generation"] == before["generation"], "the domain that serves was restarted"
    print(f"{name}: standby {standby} died, then {another}", flush=True)

# The domain and its standby at once.
before, standby = connection("network"), parked("network")
crash(standby)
crash(int(before["domid"]))
after = await_recovery("network", before)
assert int(after["domid"]) != standby
server.serves()
print(f"network: with its standby dead, domain {after['domid']}", flush=True)

# Again and again, whether there is a standby or not.
for name in ("network", "storage"):
    standby = parked(name)
    for again in range(3):
        before = connection(name)
        crash(int(before["domid"]))
        after = await_recovery(name, before)
        serving[name]()
        print(f"{name}: death {again + 1} in a row, then domain {after['domid']}", flush=True)
        assert again > 0 or int(after["domid"]) == standby

# vosd dies; a domain dies while there is none. The next vosd does not know what its standby was doing.
for name in ("network", "storage"):
    parked(name)
pid, before = json.load(open(STATE))["pid"], connection("network")
os.kill(pid, signal.SIGKILL)
crash(int(before["domid"]))
time.sleep(0.5)
start_vosd()
await_recovery("network", before)
for name in ("network", "storage"):
    serving[name]()
    parked(name)

# An operator's restart is a takeover too.
before, standby = connection("storage"), parked("storage")
subprocess.run(["vos", "restart", "storage"], check=True)
after = connection("storage")
assert after["generation"] != before["generation"] and int(after["domid"]) == standby, (after, standby)
file.serves()
parked("storage")
os.unlink(file.path)
