#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both ends of the power-cut test, tests/faults/storage_power_cut.sh.

power_cut.py write DIRECTORY
    In the machine: five writers, each of which makes one record after the other durable in its own way (append and
    fsync, overwrite and fdatasync, a new file renamed over the old one, a mapping and msync, O_DSYNC), until it is
    ended. A record names its writer and its number. Prints a line now and then.

power_cut.py check BASE LOG LEDGER IMAGE CUTS SEED [DIRECTORY-IN-IMAGE]
    On a machine that has e2fsprogs: LOG is what QEMU's blklogwrites wrote of all that reached the disk, BASE what the
    disk held before. A cut is a place in the log. What was written before the last flush before it is on the disk; of
    what came after that flush any part may be, because the disk's cache is volatile. For each cut an image is made,
    checked by e2fsck and held against the records: a writer that has begun record N+1 had been told that N is durable.
    The last cut is the end of the log; it is held against LEDGER as well, what the writers had printed until then.
"""
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import zlib

RECORD = 4096
SLOTS = 16
MAGIC = b"VOSLEDGER"
HEADER = struct.Struct("<9sxHQI")  # magic, writer, number, checksum
WRITERS = ("append", "overwrite", "rename", "mapping", "dsync")
TOLD_EVERY = 20


def record(writer, number):
    filler = struct.pack("<QQ", writer * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF,
                         number * 0xD1342543DE82EF95 & 0xFFFFFFFFFFFFFFFF)
    body = (filler * (RECORD // len(filler) + 1))[:RECORD - HEADER.size]
    return HEADER.pack(MAGIC, writer, number, zlib.crc32(body, writer << 16 ^ number)) + body


def number_of(block, writer):
    """The number of a whole record of this writer; -1 for anything else."""
    if len(block) != RECORD or not block.startswith(MAGIC):
        return -1
    _, owner, number, _ = HEADER.unpack_from(block)
    return number if owner == writer and block == record(writer, number) else -1


# ------------------------------------------------------------------ writing

def append(path, writer, flags=0):
    fd = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o644)

    def step(number):
        assert os.pwrite(fd, record(writer, number), number * RECORD) == RECORD
        if not flags:
            os.fsync(fd)
    return step


def slots(path):
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, bytes(SLOTS * RECORD), 0)
    os.fsync(fd)
    return fd


def overwrite(path, writer):
    fd = slots(path)

    def step(number):
        assert os.pwrite(fd, record(writer, number), number % SLOTS * RECORD) == RECORD
        os.fdatasync(fd)
    return step


def mapping(path, writer):
    memory = mmap.mmap(slots(path), SLOTS * RECORD)

    def step(number):
        at = number % SLOTS * RECORD
        memory[at:at + RECORD] = record(writer, number)
        memory.flush(at, RECORD)
    return step


def rename(path, writer):
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)

    def step(number):
        fd = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, record(writer, number))
        os.fsync(fd)
        os.close(fd)
        os.rename(path + ".new", path)
        os.fsync(directory)
    return step


def write(base):
    os.makedirs(base)
    for path in (base, os.path.dirname(base)):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)
    for writer, name in enumerate(WRITERS):
        if os.fork() == 0:
            path = os.path.join(base, name)
            step = {"append": append, "overwrite": overwrite, "rename": rename, "mapping": mapping,
                    "dsync": lambda p, w: append(p, w, os.O_DSYNC)}[name](path, writer)
            if name in ("append", "dsync"):
                # Its name is durable as well.
                fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
                os.fsync(fd)
            for number in range(1 << 40):
                step(number)
                if number % TOLD_EVERY == 0:
                    print(f"{name} {number}", flush=True)
    _, status = os.wait()
    print(f"a writer ended with status {status}", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)


# ----------------------------------------------------------------- checking

FLUSH, FUA, DISCARD = 1, 2, 4


class Log:
    """What blklogwrites wrote; the format is that of Linux's dm-log-writes."""

    def __init__(self, path):
        self.file = open(path, "rb")
        magic, version, _, self.sector = struct.unpack("<QQQI", self.file.read(28))
        if magic != 0x6A736677736872 or version != 1:
            raise SystemExit(f"{path} is no log of writes")
        self.entries = []  # (flags, place on the disk, bytes, place in the log)
        end = os.fstat(self.file.fileno()).st_size
        at = self.sector
        while at + self.sector <= end:
            self.file.seek(at)
            place, count, flags, _ = struct.unpack("<QQQQ", self.file.read(32))
            if flags == 0 and count == 0:
                break
            at += self.sector
            size = count * self.sector
            self.entries.append((flags, place * self.sector, size, at))
            if not flags & DISCARD:
                at += size
            if at > end:  # the last one, cut off itself
                self.entries.pop()
                break

    def data(self, entry):
        flags, _, size, at = entry
        if flags & DISCARD:
            return bytes(size)
        self.file.seek(at)
        return self.file.read(size)


def apply(image, log, entry):
    if entry[2]:
        os.pwrite(image, log.data(entry), entry[1])


def begun(data, numbers):
    """Notes the highest record of each writer that lies in data."""
    at = data.find(MAGIC)
    while at >= 0:
        if at % 512 == 0 and at + HEADER.size <= len(data):
            _, writer, number, _ = HEADER.unpack_from(data, at)
            if writer < len(WRITERS) and number_of(data[at:at + RECORD], writer) == number:
                numbers[writer] = max(numbers[writer], number)
        at = data.find(MAGIC, at + 1)


def verify(image, directory, durable):
    """What is not there that must be."""
    wrong = []
    for command, most in ((("e2fsck", "-p", image), 1), (("e2fsck", "-f", "-n", image), 0)):
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode > most:
            text = result.stdout.decode(errors="replace").strip().replace("\n", "; ")
            wrong.append(f"{' '.join(command[:-1])}: status {result.returncode}: {text[-300:]}")
    for writer, name in enumerate(WRITERS):
        needed = durable[writer]
        if needed < 0:
            continue
        copy = image + ".file"
        if os.path.exists(copy):
            os.unlink(copy)
        subprocess.run(("debugfs", "-R", f"dump {directory}/{name} {copy}", image),
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with open(copy, "rb") as file:
                held = file.read()
        except OSError:
            held = b""
        blocks = [held[at:at + RECORD] for at in range(0, len(held), RECORD)]
        if name in ("append", "dsync"):
            bad = [n for n in range(needed + 1) if n >= len(blocks) or number_of(blocks[n], writer) != n]
        elif name == "rename":
            bad = [needed] if not blocks or number_of(blocks[0], writer) < needed else []
        else:
            bad = [n for n in range(max(0, needed - SLOTS + 1), needed + 1)
                   if n % SLOTS >= len(blocks) or number_of(blocks[n % SLOTS], writer) < n]
        if bad:
            wrong.append(f"{name}: {len(bad)} of the records up to {needed} that were durable are not there,"
                         f" the first is {bad[0]}")
    return wrong


def told(ledger):
    numbers = [-1] * len(WRITERS)
    with open(ledger) as file:
        for line in file:
            words = line.split()
            if len(words) == 2 and words[0] in WRITERS and words[1].isdigit():
                writer = WRITERS.index(words[0])
                numbers[writer] = max(numbers[writer], int(words[1]))
    return numbers


def check(base, path, ledger, image, cuts, seed, directory="/export/ledger"):
    log = Log(path)
    chance = random.Random(seed)
    flushes = [i for i, entry in enumerate(log.entries) if entry[0] & FLUSH]
    print(f"{len(log.entries)} entries, {len(flushes)} flushes, seed {seed}")
    if len(flushes) < 20:
        print("too few flushes")
        return 1
    # The power goes anywhere in the later part, where all writers are at work; the last one at the end.
    places = sorted(chance.randrange(len(log.entries) // 3, len(log.entries)) for _ in range(cuts - 1))
    places.append(len(log.entries))
    failed = 0
    whole = image + ".whole"  # with all entries before `done`
    subprocess.run(("cp", "--sparse=always", base, whole), check=True)
    written = os.open(whole, os.O_RDWR)
    done = 0
    numbers = [-1] * len(WRITERS)
    seen = 0
    for place in places:
        # Behind a flush all before it is safe. (Its entry is where it was asked for; what was written by then.)
        safe = max((i for i in flushes if i < place), default=0)
        while done < safe:
            apply(written, log, log.entries[done])
            done += 1
        while seen < place:
            if not log.entries[seen][0] & DISCARD:
                begun(log.data(log.entries[seen]), numbers)
            seen += 1
        subprocess.run(("cp", "--sparse=always", whole, image), check=True)
        torn = os.open(image, os.O_RDWR)
        kept = 0
        part = chance.choice((0.0, 0.5, 1.0))
        for entry in log.entries[safe:place]:
            if entry[0] & FUA or chance.random() < part:
                apply(torn, log, entry)
                kept += 1
        os.close(torn)
        durable = [number - 1 for number in numbers]
        if place == len(log.entries):
            durable = [max(pair) for pair in zip(durable, told(ledger))]
        wrong = verify(image, directory, durable)
        print(f"cut after {place} entries, {kept} of the last {place - safe} kept: durable "
              + ", ".join(f"{name} {number}" for name, number in zip(WRITERS, durable))
              + (": " + "; ".join(wrong) if wrong else ": all there"))
        failed += bool(wrong)
    os.close(written)
    if min(durable) < TOLD_EVERY:
        print(f"the writers did not get far: {durable}")
        return 1
    return 3 if failed else 0


def main():
    if sys.argv[1] == "write":
        write(sys.argv[2])
        return 1
    return check(*sys.argv[2:6], int(sys.argv[6]), int(sys.argv[7]), *sys.argv[8:])


sys.exit(main())
