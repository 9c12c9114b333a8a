# SPDX-License-Identifier: Apache-2.0
"""What the tests of runtimes share: deploying a function, invoking it, and reading what it said."""
import base64
import json
import os
import shutil
import time
import uuid
import zipfile

import pytest

ROLE = "arn:aws:iam::000000000000:role/test"


def executable(name):
    """A zip entry that may be run."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    return entry


class Answer:
    """One invocation: the status, the error header, the document and the log."""

    def __init__(self, reply):
        self.headers = headers = reply["ResponseMetadata"]["HTTPHeaders"]
        self.status = reply["StatusCode"]
        self.error = reply.get("FunctionError")
        self.raw = reply["Payload"].read()
        self.log = base64.b64decode(reply["LogResult"]).decode()
        self.tier = headers.get("x-rouse-tier")
        self.request_id = headers["x-amzn-requestid"]

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def lines(self):
        return self.log.splitlines()

    def report(self):
        """The REPORT line as a dict: {"Duration": "1.00 ms", …}."""
        line = next(line for line in self.lines if line.startswith("REPORT"))
        return dict(part.split(": ", 1) for part in line.split("\t") if ": " in part)


class Function:
    """A deployed function of a random name."""

    def __init__(self, client, name):
        self.client, self.name = client, name

    def __call__(self, event=None, payload=None, **more):
        body = payload if payload is not None else json.dumps({} if event is None else event)
        return Answer(self.client.invoke(FunctionName=self.name, Payload=body, LogType="Tail", **more))


def deploy(server, package, runtime, handler, **more):
    """package: bytes of a zip."""
    if runtime.startswith("nodejs") and not shutil.which("node"):
        pytest.skip("node is not installed")
    client = server.client("lambda")
    name = "f-" + uuid.uuid4().hex[:12]
    client.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler,
                           Code={"ZipFile": package}, **more)
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return Function(client, name)


def wait_for(condition, limit_s=90):
    """The condition's value as soon as it is true; the limit is patience, not an expectation."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def zip_folder(folder):
    """Bytes of a zip of all that lies in a folder, modes kept."""
    import io

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for base, folders, files in os.walk(folder):
            folders[:] = [f for f in folders if f != "__pycache__"]
            for file in files:
                path = os.path.join(base, file)
                archive.write(path, os.path.relpath(path, folder))
    return out.getvalue()


def sanitized():
    """Do the programs carry a sanitizer, and its memory?"""
    from conftest import BUILD

    program = (BUILD / "rouse").read_bytes()
    return b"__asan_" in program or b"__tsan_" in program
