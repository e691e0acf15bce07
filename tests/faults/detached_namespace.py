#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which network namespace is attached is the operator's business: after `vos net detach`, or with another namespace
attached, deaths of the domain and of vosd leave that as it is, and recovery goes on; after `vos net attach` all is as
before."""
# tier: fast
# boot: shared
# time: 120
# expect-log primary: it crashed or shut down
import os

exec(open(os.environ["TEST_DIRECTORY"] + "/standby.inc").read())

ATTACHED = "/run/virtuos/attached"


def attached():
    return re.search(r"attached=(\w+)", open("/sys/kernel/debug/virtuos/state").read()).group(1)


def die():
    """The domain dies and comes back, without a complaint of vosd's."""
    before = connection("network")
    crash(int(before["domid"]))
    await_recovery("network", before)
    now = await_that(lambda: supervised("network")["phase"] == "connected" and supervised("network"), 20, "vosd is not done")
    assert "namespace" not in now["reason"], now
    assert not os.path.exists("/run/virtuos/failed")


def restart_vosd():
    """As a service manager does when it was killed."""
    pid = json.load(open(STATE))["pid"]
    os.kill(pid, signal.SIGKILL)
    await_that(lambda: json.load(open(STATE))["pid"] != pid, 20, "no other vosd")
    await_that(lambda: supervised("network")["phase"] == "connected", 20, "the domain is not taken over")


assert attached() == "init_net"
before_all = await_that(addresses, 20, "the NIC has no address")
other = None
try:
    output("vos", "net", "detach")
    assert attached() == "none"
    die()
    assert attached() == "none", "vosd attached the namespace again"
    restart_vosd()
    assert attached() == "none", "another vosd attached the namespace again"

    other = subprocess.Popen(["unshare", "-n", "sh", "-c", "vos net attach && echo done && exec sleep 600"],
                             stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "done\n"
    assert attached() == "other"
    die()
    assert attached() == "other"
    # Now vosd believes that it is the first to attach one.
    os.unlink(ATTACHED)
    die()
    assert attached() == "other"
finally:
    if attached() == "other":
        output("nsenter", "-t", str(other.pid), "-n", "vos", "net", "detach")
    if other:
        other.kill()
    output("vos", "net", "attach")
assert attached() == "init_net" and os.path.exists(ATTACHED)
await_that(lambda: addresses() == before_all, 20, "the NIC has not its address")
server = Server()
server.serves()
die()
assert attached() == "init_net"
server.serves()
await_that(lambda: addresses() == before_all, 20, "the NIC has not its address again")
