# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random instants, of the server and of what runs below it, while clients upload. What
was acknowledged is there, every event was handled, and nothing is left behind.

ROUSE_KILLS is the number of kills (10), ROUSE_KILL_SEED repeats the same choices."""
import hashlib
import http.client
import os
import pathlib
import random
import signal
import sqlite3
import threading
import time

import botocore.exceptions

import processes
from conftest import PATIENCE_S, zip_of
from support import Records, destinations, function_make, notify, wait_until

KILLS = int(os.environ.get("ROUSE_KILLS", "10"))
SEED = int(os.environ.get("ROUSE_KILL_SEED", str(int(time.time()))))
CLIENTS = 16
SIZES = [10, 1000, 4000, 30_000, 65_536, 65_537, 300_000, 2_000_000]
WEIGHTS = [10, 30, 30, 10, 5, 5, 8, 2]


class Uploader(threading.Thread):
    """Puts objects, new ones and its own again, and remembers what was acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.chance = random.Random(f"{SEED}/{number}")
        self.ending = threading.Event()
        self.acknowledged = {}  # key: bytes that were acknowledged last
        self.since = {}         # key: what was sent after that and perhaps kept
        self.events = set()     # (key, etag) of every acknowledged upload
        self.failed = 0
        self.fault = None
        self.wire = self.s3 = None

    def put_bare(self, key, body):
        if self.wire is None:
            self.wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        self.wire.request("PUT", f"/uploads/{key}", body)
        answer = self.wire.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return answer.headers["ETag"].strip('"')

    def put_boto(self, key, body):
        if self.s3 is None:
            self.s3 = self.server.client("s3", connect_timeout=PATIENCE_S)
        return self.s3.put_object(Bucket="uploads", Key=key, Body=body)["ETag"].strip('"')

    def put_one(self, count):
        again = self.acknowledged and self.chance.random() < 0.2
        key = (self.chance.choice(sorted(self.acknowledged)) if again
               else f"client-{self.number}/{count}")
        body = self.chance.randbytes(self.chance.choices(SIZES, WEIGHTS)[0])
        self.since.setdefault(key, []).append(body)
        etag = (self.put_boto if self.number < 2 else self.put_bare)(key, body)
        if etag != hashlib.md5(body).hexdigest():
            raise AssertionError(f"{key}: the ETag {etag} is not of what was sent")
        self.acknowledged[key] = body
        self.since[key] = []
        self.events.add((key, etag))

    def run(self):
        count = 0
        while not self.ending.is_set():
            count += 1
            try:
                self.put_one(count)
            except (OSError, http.client.HTTPException, botocore.exceptions.BotoCoreError,
                    botocore.exceptions.ClientError):
                self.failed += 1
                self.wire = self.s3 = None
                time.sleep(0.02)
            except Exception as fault:  # noqa: BLE001: told by the main thread
                self.fault = fault
                return


def kill_one(server, chance, seen):
    """The server, or one of its processes. Returns what was killed."""
    below = sorted(processes.below(server.process.pid))
    seen.update(below)
    if below and chance.random() < 0.4:
        pid, _ = chance.choice(below)
        os.kill(pid, signal.SIGKILL)
        return "runner"
    server.kill()
    server.start()
    return "server"


def check_all_is_left_well(server, seen):
    """The server ends; its database is sound, and no file or process is left of what it has no use for."""
    seen.update(processes.below(server.process.pid))
    assert server.stop() == 0
    with sqlite3.connect(server.data / "rouse.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = db.execute("SELECT blob FROM object WHERE blob IS NOT NULL AND blob != ''"
                          " UNION SELECT blob FROM upload_part")
        on_disk = {path.name for path in (server.data / "blobs").rglob("*") if path.is_file()}
        assert on_disk == {row[0] for row in rows}
    assert processes.all_gone(seen, PATIENCE_S), "processes are left behind"


def check_objects(server, uploaders):
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    count = 0
    for one in uploaders:
        for key, body in one.acknowledged.items():
            wire.request("GET", f"/uploads/{key}")
            answer = wire.getresponse()
            got = answer.read()
            assert answer.status == 200, f"{key} was acknowledged and is gone (seed {SEED})"
            assert got == body or got in one.since[key], f"{key} is damaged (seed {SEED})"
            assert answer.headers["ETag"].strip('"') == hashlib.md5(got).hexdigest()
            count += 1
    wire.close()
    return count


def test_kills(make_server, record_property):
    chance = random.Random(SEED)
    server = make_server("--insecure", "--idle", "1s", "--retry-delay", "100ms",
                         "--max-instances", "4", "--log-level", "warn")
    lam = function_make(server, {"model.yaml": "task: echo\n"}, zip_of=zip_of)
    s3 = server.client("s3")
    for bucket in ("uploads", "results"):
        s3.create_bucket(Bucket=bucket)
    destinations(lam, "results")
    notify(server, "uploads", "f")
    uploaders = [Uploader(server, number) for number in range(CLIENTS)]
    for one in uploaders:
        one.start()
    seen, killed = set(), {"server": 0, "runner": 0}
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.01, 0.6))
        killed[kill_one(server, chance, seen)] += 1
    time.sleep(0.2)
    for one in uploaders:
        one.ending.set()
    for one in uploaders:
        one.join(PATIENCE_S)
        assert one.fault is None and not one.is_alive(), one.fault
    wanted = set().union(*(one.events for one in uploaders))
    records = Records(server, "results")
    missing = lambda: not wanted - set(records.refresh())
    wait_until(missing, PATIENCE_S, 0.2)
    lost = wanted - set(records.by_object)
    assert not lost, f"{len(lost)} events were not handled: {sorted(lost)[:3]} (seed {SEED})"
    objects = check_objects(server, uploaders)
    server.kill()
    server.start()  # sweeps
    assert check_objects(server, uploaders) == objects
    check_all_is_left_well(server, seen)
    failures = sum(records.by_object[one][-1][0] == "failed" for one in wanted)
    twice = sum(len(records.by_object[one]) > 1 for one in wanted)
    text = (f"{KILLS} kills ({killed['server']} of the server), {len(wanted)} uploads acknowledged,"
            f" {sum(one.failed for one in uploaders)} not, {objects} objects intact,"
            f" {len(records.read)} records, {failures} events given up, {twice} handled again")
    record_property("figures", text)
    print(text)


def test_second_server_is_refused(make_server):
    server = make_server("--insecure")
    import subprocess
    from conftest import BUILD
    second = subprocess.run([BUILD / "rouse", "serve", "--data", server.data, "--listen",
                             "127.0.0.1:0"], capture_output=True, text=True, timeout=PATIENCE_S,
                            check=False)
    assert second.returncode not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    assert f"pid {server.process.pid}" in second.stderr and str(server.data) in second.stderr
    assert server.client("s3").list_buckets()["Buckets"] == []
    server.kill()
    server.start()  # the lock went with its holder
    assert pathlib.Path(server.data / "rouse.db").exists()
