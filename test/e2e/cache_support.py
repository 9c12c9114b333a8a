# SPDX-License-Identifier: Apache-2.0
"""What the tests of the result cache share: functions that answer something new whenever they run, so that
an answer seen twice was not computed twice."""
import base64
import json
import re
import uuid
import zipfile

from conftest import zip_of
from runtime_support import ROLE, Function

SOURCE = """
import json, os, time, uuid

def handler(event, context):
    if isinstance(event, dict) and event.get("sleep"):
        time.sleep(event["sleep"])
    if isinstance(event, dict) and event.get("raise"):
        raise ValueError(uuid.uuid4().hex)
    return {"new": uuid.uuid4().hex, "env": os.environ.get("MINE"), "event": event}
"""


class Asker(Function):
    """asker({...}) is (answer, tier)."""

    def __call__(self, event=None, **more):
        answer = super().__call__(event, **more)
        assert answer.status == 200 and answer.error is None, answer.raw
        return answer.json, answer.tier

    def whole(self, event=None, **more):
        return super().__call__(event, **more)


def with_member(client, operation, name, value, call):
    """`Cache` is a member that the SDK does not know and would refuse."""
    def add(params, **_):
        params["body"] = json.dumps({**json.loads(params["body"]), name: value}).encode()

    client.meta.events.register(f"before-call.lambda.{operation}", add)
    try:
        return call()
    finally:
        client.meta.events.unregister(f"before-call.lambda.{operation}", add)


def active(client, name):
    for state in ("function_active_v2", "function_updated_v2"):
        client.get_waiter(state).wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})


def deploy(client, cache, source=SOURCE, files=None, name=None, **more):
    """A function in Python, or what `files` hold of a model."""
    model = bool(files)
    files = {zipfile.ZipInfo(file): content for file, content in (files or {"app.py": source}).items()}  # no times
    name = name or "cache-" + uuid.uuid4().hex[:8]
    more = {"Runtime": "onnx" if model else "python3.11", "Handler": "model.yaml" if model else "app.handler",
            "Timeout": 20, "MemorySize": 256, **more}
    with_member(client, "CreateFunction", "Cache", cache, lambda: client.create_function(
        FunctionName=name, Role=ROLE, Code={"ZipFile": zip_of(files)}, **more))
    active(client, name)
    return Asker(client, name)


def report(answer):
    """Of the REPORT line: Duration, Billed Duration, Tier, …"""
    line = next(line for line in answer.lines if line.startswith("REPORT"))
    return dict(re.findall(r"([A-Z][A-Za-z ]+): ([^\t]+)", line))


def context(text):
    return base64.b64encode(json.dumps({"custom": {"who": text}}).encode()).decode()
