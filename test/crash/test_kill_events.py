# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random instants while events are sent to functions, many of which fail by design. Every
event that was accepted is handled at least once, and what becomes of it reaches where it is to go:
destinations and dead-letter targets, functions and buckets.

    code (Python)   ok: results/code-ok/     failed: bury, and the event itself to results/dead/
    model (digits)  ok: bury                 failed: results/model-failed/, and the event itself to bury
    bury (Python)   leaves a trace of what it is told; what it cannot handle: results/unburied/

ROUSE_KILLS is the number of kills (8), ROUSE_KILL_SEED repeats the same choices."""
import http.client
import json
import os
import random
import sqlite3
import threading
import time

import processes
from conftest import PATIENCE_S, ROOT, zip_of
from support import ROLE, destinations, function_make, invoke_path, keys, wait_until
from test_kill import check_all_is_left_well, kill_one

KILLS = int(os.environ.get("ROUSE_KILLS", "8"))
SEED = int(os.environ.get("ROUSE_KILL_SEED", str(int(time.time()))))
CLIENTS = 8
PACE_S = 0.1  # at most, between two events of a client
DIGITS = ROOT / "examples" / "digits"

CODE = '''
import http.client, os, urllib.parse

def trace(name):
    place = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    wire = http.client.HTTPConnection(place, timeout=60)
    wire.request("PUT", "/trace/" + name)
    assert wire.getresponse().status == 200

def code(event, context):
    trace("ran/" + context.aws_request_id)
    if event["fail"]:
        raise ValueError("by design")
    return event["id"]

def bury(event, context):
    told = event.get("requestContext")
    if told:
        ok = told["condition"] == "Success"
        trace("told/" + ("ok" if ok else event["responsePayload"]["errorType"]) + "/" + told["requestId"])
    else:
        trace("buried/" + event["id"])
'''


def arn(name):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


class Sender(threading.Thread):
    """Sends events, and remembers those that were accepted."""

    def __init__(self, server, number, names):
        super().__init__(daemon=True)
        self.server, self.number, self.names = server, number, names
        self.chance = random.Random(f"{SEED}/{number}")
        self.ending = threading.Event()
        self.accepted = {}  # request id: (function, id of ours, is it to fail?)
        self.refused = 0
        self.fault = self.wire = None

    def send(self, count):
        name, fail = self.chance.choice(self.names), self.chance.random() < 0.4
        event = {"id": f"{self.number}-{count}", "fail": fail}
        if name == "model":
            picture = {"bucket": {"name": "pictures"}, "object": {"key": "bad" if fail else "good"}}
            event["Records"] = [{"eventSource": "aws:s3", "s3": picture}]
        path = invoke_path(name)
        if name == "code" and self.chance.random() < 0.5:
            path += "?Qualifier=live"
        if self.wire is None:
            self.wire = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        self.wire.request("POST", path, json.dumps(event), {"X-Amz-Invocation-Type": "Event"})
        answer = self.wire.getresponse()
        body = answer.read()
        if answer.status >= 500:
            raise OSError(f"status {answer.status}")
        assert answer.status == 202, (answer.status, body)
        request_id = answer.headers["x-amzn-RequestId"]
        assert request_id not in self.accepted
        self.accepted[request_id] = (name, event["id"], fail)

    def run(self):
        count = 0
        while not self.ending.is_set():
            count += 1
            try:
                self.send(count)
                time.sleep(self.chance.uniform(0, PACE_S))
            except (OSError, http.client.HTTPException):
                self.refused += 1
                self.wire = None
                time.sleep(0.02)
            except Exception as fault:  # noqa: BLE001: told by the main thread
                self.fault = fault
                return


def model_make(server):
    """The function `model`, or False where there is no engine."""
    files = {name: (DIGITS / name).read_bytes() for name in ("model.yaml", "labels.txt", "digits.onnx")}
    try:
        lam = function_make(server, files, "model", zip_of=zip_of, Timeout=60, MemorySize=1024,
                            DeadLetterConfig={"TargetArn": arn("bury")})
    except Exception:
        config = server.client("lambda").get_function_configuration(FunctionName="model")
        if "ONNX Runtime" in config.get("StateReason", ""):
            return False
        raise
    lam.put_function_event_invoke_config(
        FunctionName="model", MaximumRetryAttempts=1,
        DestinationConfig={"OnSuccess": {"Destination": arn("bury")},
                           "OnFailure": {"Destination": "arn:aws:s3:::results/model-failed/"}})
    s3 = server.client("s3")
    s3.create_bucket(Bucket="pictures")
    picture = sorted((DIGITS / "images").glob("*.png"))[0].read_bytes()
    s3.put_object(Bucket="pictures", Key="good", Body=picture)
    s3.put_object(Bucket="pictures", Key="bad", Body=picture[:100])
    return True


def functions_make(server):
    """Their names."""
    lam, s3 = server.client("lambda"), server.client("s3")
    for bucket in ("results", "trace"):
        s3.create_bucket(Bucket=bucket)
    for name, more in (("bury", {}), ("code", {"DeadLetterConfig": {"TargetArn": "arn:aws:s3:::results/dead/"}})):
        lam.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler=f"index.{name}",
                            Code={"ZipFile": zip_of({"index.py": CODE})}, Timeout=60, **more)
        lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    lam.put_function_event_invoke_config(
        FunctionName="bury", DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::results/unburied/"}})
    lam.publish_version(FunctionName="code")
    lam.create_alias(FunctionName="code", Name="live", FunctionVersion="1")
    for qualifier in ("$LATEST", "live"):
        lam.put_function_event_invoke_config(
            FunctionName="code", Qualifier=qualifier, MaximumRetryAttempts=1,
            DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::results/code-ok/"},
                               "OnFailure": {"Destination": arn("bury")}})
    return ["code", "model"] if model_make(server) else ["code"]


def rows_left(server):
    with sqlite3.connect(f"file:{server.data / 'rouse.db'}?mode=ro", uri=True) as db:
        return db.execute("SELECT COUNT(*) FROM job").fetchone()[0]


def record(server, key):
    return json.loads(server.client("s3").get_object(Bucket="results", Key=key)["Body"].read())


def lost_by_bury(server, names):
    """What bury would have traced, had it not been killed each time."""
    for key in (name for name in names if name.startswith("unburied/")):
        given_up = record(server, key)
        assert given_up["responsePayload"]["errorType"] == "Runtime.ExitError", json.dumps(given_up)
        event = given_up["requestPayload"]
        told = event.get("requestContext")
        if not told:
            yield "buried/" + event["id"]
        elif told["condition"] == "Success":
            yield "told/ok/" + told["requestId"]
        else:
            yield f"told/{event['responsePayload']['errorType']}/{told['requestId']}"


def end_of(server, names, request_id, sent):
    """How an event ended: ok, failed, killed (each time it was tried), or "" when it is lost."""
    name, ours, _ = sent
    if name == "code":
        if f"code-ok/{request_id}.json" in names:
            return "ok" if "ran/" + request_id in names else ""
        if f"dead/{request_id}.event.json" not in names:
            return ""
        if f"told/ValueError/{request_id}" in names:
            return "failed" if "ran/" + request_id in names else ""
        return "killed" if f"told/Runtime.ExitError/{request_id}" in names else ""
    if f"told/ok/{request_id}" in names:
        return "ok"
    if f"model-failed/{request_id}.json" not in names or "buried/" + ours not in names:
        return ""
    why = record(server, f"model-failed/{request_id}.json")["responsePayload"]["errorType"]
    return "killed" if why == "Runtime.ExitError" else "failed"


def ends(server, accepted):
    """{how: how many}; each event has ended as it was meant to, unless it was killed."""
    s3 = server.client("s3")
    names = {*keys(s3, "trace"), *keys(s3, "results")}
    names |= set(lost_by_bury(server, names))
    counts = {"ok": 0, "failed": 0, "killed": 0}
    for request_id, sent in accepted.items():
        end = end_of(server, names, request_id, sent)
        assert end, f"{request_id} {sent} was accepted and is lost (seed {SEED})"
        assert end in ("killed", "failed" if sent[2] else "ok"), (request_id, sent, end)
        counts[end] += 1
    return counts


def test_every_accepted_event_is_handled(make_server, record_property):
    chance = random.Random(SEED)
    server = make_server("--insecure", "--idle", "1s", "--retry-delay", "100ms",
                         "--max-instances", "4", "--log-level", "warn")
    names = functions_make(server)
    senders = [Sender(server, number, names) for number in range(CLIENTS)]
    for one in senders:
        one.start()
    seen, killed = set(), {"server": 0, "runner": 0}
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.01, 0.8))
        killed[kill_one(server, chance, seen)] += 1
    time.sleep(0.2)
    for one in senders:
        one.ending.set()
    for one in senders:
        one.join(PATIENCE_S)
        assert one.fault is None and not one.is_alive(), one.fault
    accepted = {}
    for one in senders:
        assert not accepted.keys() & one.accepted.keys()
        accepted.update(one.accepted)
    assert wait_until(lambda: rows_left(server) == 0, PATIENCE_S, 0.2), server.log[-2000:]
    counts = ends(server, accepted)
    seen.update(processes.below(server.process.pid))
    server.kill()
    server.start()  # sweeps
    check_all_is_left_well(server, seen)
    text = (f"{KILLS} kills ({killed['server']} of the server), {len(accepted)} events accepted,"
            f" {sum(one.refused for one in senders)} not; of functions {', '.join(names)}"
            f" {counts['ok']} succeeded, {counts['failed']} failed as they should,"
            f" {counts['killed']} were killed each time; all are accounted for")
    record_property("figures", text)
    print(text)
