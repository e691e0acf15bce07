#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""xenstored is killed in the middle of the recovery of the network domain. It cannot be started again, so the network
domain stays dead, and says so; the storage domain lives and goes on as ever, even when its daemon dies. When all of it
dies, calls for it end at their bounds, and the primary still goes on.
"""
# tier: fast
# boot: own
# time: 200
# expect-log primary: it crashed or shut down
import ctypes
import glob
import os
import signal

exec(open(os.environ["TEST_DIRECTORY"] + "/deaths.inc").read())

SHUTDOWN_CRASH = 3
# VOSFS_RECOVER_WAIT and the wait of sockets, in s, and some time to get to run.
FILE_BOUND, SOCKET_BOUND, SLACK = 30, 10, 8


def failure(call, limit):
    """The errno of a call that must fail, in time."""
    start = time.monotonic()
    try:
        call()
    except OSError as error:
        took = time.monotonic() - start
        assert took < limit, f"it failed after {took:.1f} s"
        return error.errno
    raise SystemExit("a call for a dead domain succeeded")


directory = new_storage_directory("xenstored")
file = os.open(directory + "/file", os.O_RDWR | os.O_CREAT)
pid = int(open("/run/xen/xenstored.pid").read())
vosd = int(open("/run/virtuos/vosd.pid").read())
storage = state("storage")
client = socket.socketpair(socket.AF_UNIX)

# The storage domain's daemon is killed by one of the last of the requests below, when nobody can give an order any more.
REQUESTS = 400
subprocess.run(["vos", "kill", "storage", "--how", "daemon", "--at", "before-execute", "--by", "data",
                "--nth", str(REQUESTS - 10)], check=True, timeout=20)

kill("network")
wait(lambda: state("network")["state"] != "connected", 10, "the end of the network domain")
time.sleep(chance.uniform(0, 1.5))
os.kill(pid, signal.SIGKILL)
wait(lambda: not os.path.exists(f"/proc/{vosd}"), 10, "vosd ends")
status = subprocess.run(["vos", "status"], capture_output=True, text=True, timeout=10).stdout
print(status)
assert "vosd does not run: xenstored has ended" in status

# The living domain does not notice, and its first process starts the daemon again although it can tell nobody.
for number in range(REQUESTS // 2):
    os.pwrite(file, b"%08d" % number, 8 * number)
    os.fsync(file)
longest = 0
for number in range(20):
    name = f"{directory}/{number}"
    start = time.monotonic()
    with open(name, "x") as one:
        one.write(name)
    assert open(name).read() == name
    os.unlink(name)
    longest = max(longest, time.monotonic() - start)
# One of them waited for the next daemon, which is started late, because the domain waits for xenstored first.
print(f"the slowest file took {longest:.1f} s")
assert 1 < longest < 10
assert os.pread(file, 8, 8 * 150) == b"%08d" % 150
assert state("storage")["generation"] == storage["generation"]

# The dead one says that it is, within the bound.
error = failure(lambda: socket.create_connection(("127.0.0.1", 1), 5), 2 * SOCKET_BOUND + SLACK)
assert error == 100, f"errno {error}"  # ENETDOWN

# Now the other one.
library = ctypes.CDLL(sorted(glob.glob("/usr/lib/*/libxenctrl.so.4*"))[-1])
library.xc_interface_open.restype = ctypes.c_void_p
library.xc_domain_shutdown.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int]
xen = library.xc_interface_open(None, None, 0)
assert library.xc_domain_shutdown(xen, int(storage["domid"]), SHUTDOWN_CRASH) == 0
wait(lambda: state("storage")["state"] != "connected", 10, "the end of the storage domain")
error = failure(lambda: os.pread(file, 8, 0), FILE_BOUND + SLACK)
assert error == 5, f"errno {error}"  # EIO
# Who waits can still be killed.
waiting = subprocess.Popen(["stat", directory + "/nothing"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(1)
waiting.kill()
waiting.wait(10)
os.close(file)

# The primary goes on.
client[0].sendall(b"alive")
assert client[1].recv(5) == b"alive"
assert subprocess.run(["sh", "-c", "echo alive >/var/tmp/alive && sync /var/tmp/alive && rm /var/tmp/alive"],
                      timeout=20).returncode == 0
