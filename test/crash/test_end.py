# SPDX-License-Identifier: Apache-2.0
"""How a server ends: SIGTERM finishes what runs and keeps what waits; a full disk ends nothing."""
import http.client
import json
import signal
import socket
import subprocess
import threading
import time

import pytest

import processes
from conftest import PATIENCE_S, Server, zip_of
from support import (Records, destinations, frozen, function_make, invoke_path, notify, wait_until)

ECHO = {"model.yaml": "task: echo\n"}


class Call(threading.Thread):
    """An invocation that somebody waits for."""

    def __init__(self, server, body):
        super().__init__(daemon=True)
        self.server, self.body, self.answer = server, body, None
        self.start()

    def run(self):
        wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        wire.request("POST", invoke_path(), self.body)
        answer = wire.getresponse()
        self.answer = answer.status, answer.read()


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_drain(make_server):
    server = make_server("--insecure", "--max-instances", "2", "--drain", "60s",
                         "--retry-delay", "100ms")
    lam = function_make(server, ECHO, zip_of=zip_of, Timeout=60)
    s3 = server.client("s3")
    for bucket in ("uploads", "results"):
        s3.create_bucket(Bucket=bucket)
    destinations(lam, "results")
    notify(server, "uploads", "f")
    lam.invoke(FunctionName="f", Payload=b"0")
    seen = processes.below(server.process.pid)
    process = server.process
    with frozen(server):
        calls = [Call(server, json.dumps(number).encode()) for number in range(5)]
        for number in range(20):  # their events wait, most of them as rows
            s3.put_object(Bucket="uploads", Key=str(number), Body=b"x")
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert wait_until(lambda: not listens(server.port), PATIENCE_S)
        assert process.poll() is None
    for number, call in enumerate(calls):
        call.join(PATIENCE_S)
        assert call.answer == (200, json.dumps(number).encode())
    assert process.wait(PATIENCE_S) == 0
    assert processes.all_gone(seen, PATIENCE_S)
    server.process = None
    server.start()
    records = Records(server, "results")
    assert wait_until(lambda: len(records.refresh()) == 20, PATIENCE_S, 0.2)


def test_drain_with_uploads_under_way(make_server):
    server = make_server("--insecure", "--drain", "2s")
    server.client("s3").create_bucket(Bucket="uploads")
    wires = []
    for number in range(20):  # half of a body each, then nothing
        wire = socket.create_connection(("127.0.0.1", server.port))
        wire.sendall(f"PUT /uploads/{number} HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Length: 300000\r\n\r\n".encode() + b"x" * 150_000)
        wires.append(wire)
    time.sleep(0.3)
    assert server.stop() == 0
    for wire in wires:
        wire.close()
    server.start()
    assert server.client("s3").list_objects_v2(Bucket="uploads")["KeyCount"] == 0
    assert not [path for path in (server.data / "blobs").rglob("*") if path.is_file()]


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "rouse-test", place],
                             capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip("cannot mount a small file system: " + mounted.stderr.strip())
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("size", [20_000, 500_000])
def test_full_disk(small_disk, size):
    server = Server(small_disk / "data", "--insecure", "--retry-delay", "100ms")
    server.log_path = small_disk.parent / "log"
    try:
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"x" * 2_000_000)
        full_disk(server.start(), size, ballast)
    finally:
        assert server.stop() in (0, None)


def full_disk(server, size, ballast):
    pid = server.process.pid
    lam = function_make(server, ECHO, zip_of=zip_of)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="uploads")
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)

    def put(key):
        body = key.encode() * (size // len(key))
        wire.request("PUT", f"/uploads/{key}", body)
        answer = wire.getresponse()
        return answer.status, answer.read()

    kept, refusals = [], []
    for number in range(5000):
        key = f"{number:06d}"
        status, text = put(key)
        if status == 200:
            kept.append(key)
        else:
            refusals.append((status, text))
            if len(refusals) == 20:
                break
    assert len(refusals) == 20 and len(kept) > 5
    for status, text in refusals:
        assert status >= 500 and b"<Error><Code>" in text.replace(b"\n", b""), (status, text)
    assert server.process.poll() is None and server.process.pid == pid, server.log[-2000:]
    for key in kept:
        wire.request("GET", f"/uploads/{key}")
        answer = wire.getresponse()
        assert answer.status == 200 and answer.read() == key.encode() * (size // len(key)), key
    assert lam.invoke(FunctionName="f", Payload=b"1")["Payload"].read() == b"1"
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket="uploads")
    assert [item["Key"] for page in listed for item in page["Contents"]] == kept
    # A little room, and it goes on.
    half = kept[: len(kept) // 2]
    ballast.unlink()
    for key in half:
        wire.request("DELETE", f"/uploads/{key}")
        answer = wire.getresponse()
        assert answer.status == 204, answer.read()
        answer.read()
    status, text = put("again1")
    assert status == 200, text
    server.kill()
    server.start()
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    for key in [*kept[len(half):], "again1"]:
        wire.request("GET", f"/uploads/{key}")
        answer = wire.getresponse()
        assert answer.status == 200 and answer.read() == key.encode() * (size // len(key)), key
