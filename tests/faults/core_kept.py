#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""With `core` in vosd.conf the memory of a domain that died is kept in a file, the last three of them, and vosd says where;
when that is not possible the domain comes back all the same."""
# tier: long
# boot: shared
# time: 180
# expect-log primary: it crashed or shut down
import os
import shutil

exec(open(os.environ["TEST_DIRECTORY"] + "/standby.inc").read())

VOSD_CONF, LOG, CORES = "/etc/virtuos/vosd.conf", "/run/virtuos/vosd.log", "/var/tmp/cores"
MEMORY = 96 << 20


def restart_vosd():
    """As a service manager does when it was killed."""
    pid = json.load(open(STATE))["pid"]
    os.kill(pid, signal.SIGKILL)
    await_that(lambda: json.load(open(STATE))["pid"] != pid, 20, "no other vosd")
    await_that(lambda: supervised("network")["phase"] == "connected", 20, "the domain is not taken over")


def die(end):
    before, logged = connection("network"), os.path.getsize(LOG)
    start = time.monotonic()
    end(int(before["domid"]))
    await_recovery("network", before, 120)
    print(f"another domain after {time.monotonic() - start:.1f} s", flush=True)
    await_that(lambda: supervised("network")["phase"] == "connected", 20, "vosd is not done")
    server.serves()
    return open(LOG).read()[logged:]


server = Server()
had = open(VOSD_CONF).read() if os.path.exists(VOSD_CONF) else ""
try:
    with open(VOSD_CONF, "a") as conf:
        conf.write(f"\n[network]\ncore = {CORES}\n")
    os.makedirs(CORES)
    for day in (1, 2, 3):
        open(f"{CORES}/network.2020010{day}T000000.000.core", "w").close()
    open(f"{CORES}/network.20200104T000000.000.core.new", "w").close()
    restart_vosd()
    assert supervised("network")["core"].endswith("/network.20200103T000000.000.core")

    log = die(crash)
    files = sorted(os.listdir(CORES))
    assert len(files) == 3 and files[0] == "network.20200102T000000.000.core", files
    core = f"{CORES}/{files[2]}"
    size = os.path.getsize(core)
    print(f"{core}: {size >> 20} MiB", flush=True)
    assert open(core, "rb").read(4) == b"\x7fELF"
    assert MEMORY * 9 // 10 < size < MEMORY * 2, size
    assert f"is in {core}" in log, log
    assert core in output("vos", "status")
    assert supervised("network")["core"] == core

    # No memory is left of a domain that was destroyed behind the toolstack's back, if that is over before it is looked
    # for; one an operator restarts is no dead one.
    log = die(lambda domid: library.xc_domain_destroy(xen, domid))
    assert "is in" not in log, log
    log = die(lambda domid: output("vos", "restart", "network"))
    assert "dump-core" not in log, log
    assert sorted(os.listdir(CORES)) == files

    # There it cannot be written.
    shutil.rmtree(CORES)
    open(CORES, "w").close()
    log = die(crash)
    assert "is not kept" in log, log
finally:
    shutil.rmtree(CORES, ignore_errors=True)
    if os.path.exists(CORES):
        os.unlink(CORES)
    with open(VOSD_CONF, "w") as conf:
        conf.write(had)
    restart_vosd()
