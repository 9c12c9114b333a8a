# SPDX-License-Identifier: Apache-2.0
"""A template of Python, spoken to as the server does: however it is let go of, its instances, whose
process tree it is the root of, go on."""
import json
import os
import socket
import subprocess
import sys
import time

import pytest

from conftest import BUILD, PATIENCE_S, ROOT

sys.path.append(str(ROOT / "src/runtime/python"))
import rouse_wire as wire  # noqa: E402
from rouse_wire import packed, u32  # noqa: E402

REQUEST_ID = "8f7c2f3e-0000-4000-8000-000000000000"


def pair():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE_S)
    return ours, theirs


def until(sock, wanted):
    """The next message of that kind; those before it are dropped."""
    while True:
        kind, reader = wire.receive(sock)
        for fd in reader.fds:
            os.close(fd)
        if kind == wanted:
            return reader


class Tree:
    """The runtime's template, one of a function, and instances of it."""

    def __init__(self, folder, code):
        (folder / "app.py").write_text(code)
        self.folder = folder
        self.root, theirs = pair()
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "src/runtime/python/bootstrap.py", "--template", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env={**os.environ, "ROUSE_JAIL": str(BUILD / "librouse-jail.so")})
        theirs.close()
        until(self.root, wire.READY)
        self.function = self.spawn(self.root, wire.TEMPLATE)
        until(self.function, wire.READY)
        until(self.root, wire.SPAWNED)

    def config(self):
        jail = {"package": str(self.folder), "layers": [], "tmp": 64 << 20, "memory": 0, "port": 0, "network": "closed"}
        return {"functionName": "f", "functionVersion": "$LATEST", "invokedFunctionArn": "arn", "handler": "app.handler",
                "taskRoot": str(self.folder), "memoryMb": 512, "timeoutS": 30, "logGroup": "g", "logStream": "s",
                "environment": {"LAMBDA_TASK_ROOT": str(self.folder), "PATH": os.environ["PATH"]}, "jail": jail}

    def spawn(self, template, role):
        """Our end of the socket of the process that is asked for."""
        ours, theirs = pair()
        log, config = os.memfd_create("log"), os.memfd_create("config")
        os.write(config, json.dumps(self.config()).encode())
        texts = b"".join(packed(text.encode()) for text in ("f", str(self.folder), "", "app.handler"))
        wire.send(template, wire.SPAWN, u32(role) + texts + u32(512) + u32(1), [theirs.fileno(), log, config])
        for fd in (log, config):
            os.close(fd)
        theirs.close()
        return ours

    def end(self):
        self.root.close()
        self.process.wait(PATIENCE_S)


def give(instance, event):
    payload = json.dumps(event).encode()
    job = wire.JOB_HEAD.pack(1, 0, wire.INLINE, len(payload)) + payload + u32(0) + packed(REQUEST_ID.encode())
    wire.send(instance, wire.JOBS, u32(1) + job + wire.JOB_TAIL.pack(int(time.time() * 1000) + 60000, 0))


@pytest.fixture
def tree(tmp_path):
    tmp_path.chmod(0o755)
    one = Tree(tmp_path, "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'fine'\n")
    yield one
    one.end()


@pytest.mark.parametrize("unread", [0, 1, 20])
def test_instances_outlive_a_template_that_is_let_go_of(tree, unread):
    """`unread`: what it has been asked, and has answered or is about to, when nobody listens any more."""
    instance = tree.spawn(tree.function, wire.INSTANCE)
    until(tree.function, wire.SPAWNED)
    until(instance, wire.READY)
    give(instance, 1)
    others = [tree.spawn(tree.function, wire.INSTANCE) for _ in range(unread)]
    if unread == 1:
        until(others[0], wire.READY)  # it has answered
    tree.function.close()
    result = until(instance, wire.RESULT)
    assert b"fine" in bytes(result.body)
    if unread == 1:
        give(others[0], 0)
        assert b"fine" in bytes(until(others[0], wire.RESULT).body)
