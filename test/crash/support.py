# SPDX-License-Identifier: Apache-2.0
"""What the crash tests share: an echo function with an event and destinations, and bare HTTP."""
import contextlib
import http.client
import json
import os
import signal
import time

import processes
from conftest import BUILD

ROLE = "arn:aws:iam::000000000000:role/test"


def function_make(server, files, name="f", zip_of=None, **more):
    lam = server.client("lambda")
    lam.create_function(FunctionName=name, Runtime="onnx", Role=ROLE, Handler="model.yaml",
                        Code={"ZipFile": zip_of(files)}, **more)
    lam.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    return lam


def notify(server, bucket, name):
    """Every object that is made in the bucket is an event for the function."""
    server.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [{
            "LambdaFunctionArn": f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
            "Events": ["s3:ObjectCreated:*"]}]})


def destinations(lam, bucket, name="f", retries=2):
    lam.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=retries,
        DestinationConfig={"OnSuccess": {"Destination": f"arn:aws:s3:::{bucket}/ok/"},
                           "OnFailure": {"Destination": f"arn:aws:s3:::{bucket}/failed/"}})


def keys(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


class Records:
    """The invocation records in a bucket, each read once: {(key, etag): [prefix of its record]}."""

    def __init__(self, server, bucket):
        self.server, self.bucket = server, bucket
        self.read, self.by_object = set(), {}

    def refresh(self):
        s3 = self.server.client("s3")
        wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        for name in keys(s3, self.bucket):
            if name in self.read:
                continue
            wire.request("GET", f"/{self.bucket}/{name}")
            answer = wire.getresponse()
            body = answer.read()
            assert answer.status == 200, (name, answer.status, body)
            self.read.add(name)
            record = json.loads(body)
            event = record["requestPayload"]["Records"][0]["s3"]["object"]
            self.by_object.setdefault((event["key"], event["eTag"]), []).append(
                (name.split("/")[0], record))
        wire.close()
        return self.by_object


def info(server):
    """What a server started with --insecure says of itself."""
    wire = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    wire.request("GET", "/rouse/info")
    said = json.loads(wire.getresponse().read())
    wire.close()
    return said


def instances(server, name="f"):
    return next(f["instances"] for f in info(server)["functions"] if f["name"] == name)


def wait_until(what, patience_s, step_s=0.05):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        value = what()
        if value:
            return value
        time.sleep(step_s)
    return what()


@contextlib.contextmanager
def frozen(server):
    """All that runs below the server stands still, then goes on."""
    stopped = processes.below(server.process.pid)
    for pid, _ in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid, _ in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def sanitized():
    """Do the programs carry a sanitizer, and its memory?"""
    program = (BUILD / "rouse").read_bytes()
    return b"__asan_" in program or b"__tsan_" in program


def invoke_path(name="f"):
    return f"/2015-03-31/functions/{name}/invocations"
