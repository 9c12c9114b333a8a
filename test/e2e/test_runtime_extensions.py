# SPDX-License-Identifier: Apache-2.0
"""The Extensions API: programs in /opt/extensions start before the runtime, hear of each event and of the end,
and may fail in their own ways."""
import json
import re
import time
import uuid

import pytest
from conftest import zip_of
from runtime_programs import BOOTSTRAP
from runtime_support import deploy, executable, wait_for
from test_lambda_invoke import get

# What it does is told by the function's environment: EXT_<NAME> = JSON.
EXTENSION = '''#!/usr/bin/python3
import http.client, json, os, signal, sys, time
NAME = os.path.basename(sys.argv[0])
HOW = json.loads(os.environ.get("EXT_" + NAME.upper(), "{}"))

def say(*words):
    print(NAME, *words, flush=True)

def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    reply = connection.getresponse()
    return reply, json.loads(reply.read())

if HOW.get("exit") == "early":
    sys.exit(HOW["status"])
if HOW.get("silent"):
    print("loading", flush=True)
    time.sleep(60)
time.sleep(HOW.get("slow", 0))
events = HOW.get("events", ["INVOKE", "SHUTDOWN"])
reply, body = call("POST", "register", json.dumps({"events": events}),
                   {"Lambda-Extension-Name": NAME, "Lambda-Extension-Accept-Feature": "accountId"})
say("registered", reply.status, json.dumps(body))
me = {"Lambda-Extension-Identifier": reply.getheader("Lambda-Extension-Identifier") or ""}
if HOW.get("fails") == "init":
    reply, body = call("POST", "init/error", "{}",
                       {**me, "Lambda-Extension-Function-Error-Type": "Extension.NoConfig"})
    say("failed", reply.status, json.dumps(body))
    sys.exit(0)
while True:
    reply, event = call("GET", "event/next", headers=me)
    say("got", json.dumps(event))
    if event.get("eventType") != "INVOKE":
        if HOW.get("lingers"):
            time.sleep(60)
        say("bye")
        sys.exit(0)
    if HOW.get("exit") == "late":
        os._exit(HOW["status"])
    if HOW.get("fails") == "exit":
        call("POST", "exit/error", "{}", {**me, "Lambda-Extension-Function-Error-Type": "Extension.Lost"})
    time.sleep(HOW.get("works", 0))
    say("rested")
'''

PROVIDED = BOOTSTRAP + '''
import signal, threading
signal.signal(signal.SIGTERM, lambda *_: (print("runtime was asked to go", flush=True), os._exit(0)))

def extension(path, headers, body=None, method="POST"):
    connection = http.client.HTTPConnection(API)
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    reply = connection.getresponse()
    return [reply.status, json.loads(reply.read() or b"{}"), reply.getheader("Lambda-Extension-Identifier")]

def live(name, identifier):
    while True:
        print(name, "heard", extension("event/next", {"Lambda-Extension-Identifier": identifier}, None, "GET")[1]
              .get("requestId"), flush=True)

def handler(runtime, event, request_id, headers):
    how = event.get("how")
    print("handling", request_id, flush=True)
    if how == "exit":
        os._exit(3)
    if how == "sleep":
        time.sleep(60)
    if how == "register":
        answer = extension("register", {"Lambda-Extension-Name": "late"}, '{"events": []}')[:2]
    elif how == "unserved":
        connection = http.client.HTTPConnection(API)
        connection.request("PUT", event["path"], "{}")
        reply = connection.getresponse()
        answer = [reply.status, json.loads(reply.read())]
    else:
        answer = {"pid": os.getpid(), "deadline": int(headers["Lambda-Runtime-Deadline-Ms"])}
    return json.dumps(answer)

BEGUN = []
for body, name in json.loads(os.environ.get("INTERNAL", "[]")):
    BEGUN.append(extension("register", {"Lambda-Extension-Name": name}, json.dumps(body)))
    if BEGUN[-1][0] == 200:
        threading.Thread(target=live, args=(name, BEGUN[-1][2]), daemon=True).start()
print("internal", json.dumps(BEGUN), flush=True)
serve(handler, Runtime())
'''

NODE = "exports.handler = async () => process.pid;"
PYTHON = """
import os
def handler(event, context):
    if event.get("raise"):
        raise KeyError("none")
    return {"pid": os.getpid(), "wrapped": os.environ.get("WRAPPED"), "name": context.function_name}
"""


def layer(server, *names):
    files = {executable(f"extensions/{name}"): EXTENSION for name in names}
    files["extensions/README"] = "not a program"
    return server.client("lambda").publish_layer_version(
        LayerName="l-" + uuid.uuid4().hex[:12], Content={"ZipFile": zip_of(files)})["LayerVersionArn"]


def make(server, names=("watcher",), runtime="provided.al2023", **more):
    env = more.pop("env", {})
    variables = {f"EXT_{name.upper()}": json.dumps(how) for name, how in env.items() if name in names}
    variables.update({name: json.dumps(value) for name, value in env.items() if name not in names})
    files = {executable("bootstrap"): PROVIDED, "index.js": NODE, "index.py": PYTHON}
    return deploy(server, zip_of(files), runtime, "index.handler", Layers=[layer(server, *names)],
                  Environment={"Variables": variables}, **{"Timeout": 20, "MemorySize": 1769, **more})


def log_of(server, function):
    return get(server, f"/rouse/logs/{function.name}")[2].decode().splitlines()


def said(lines, name="watcher"):
    """What an extension printed: [("got", {…}), …]."""
    found = []
    for line in lines:
        match = re.search(rf"(?:^|\t){name} (\w+)(?: (\d+))?(?: (\{{.*))?$", line)
        if match:
            found.append((match[1], json.loads(match[3]) if match[3] else None))
    return found


def events(lines, name="watcher"):
    return [event for word, event in said(lines, name) if word == "got"]


def retire(function):
    """Instances of the code before are asked to go."""
    function.client.update_function_configuration(FunctionName=function.name, Description=uuid.uuid4().hex)
    function.client.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 1})


# ---- as it should be ----


@pytest.mark.parametrize("runtime", ["provided.al2023", "nodejs20.x", "python3.11"])
def test_an_extension_hears_of_events_and_of_the_end(server, runtime):
    function = make(server, runtime=runtime)
    first = function()
    assert first.error is None, first.log
    word, registered = said(first.lines)[0]
    assert (word, registered) == ("registered", {
        "functionName": function.name, "functionVersion": "$LATEST", "handler": "index.handler",
        "accountId": "000000000000"})
    start = first.lines.index(f"START RequestId: {first.request_id} Version: $LATEST")
    assert "EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in first.lines[:start]
    second = function()
    assert runtime == "provided.al2023" or second.json == first.json  # one and the same instance
    retire(function)
    wait_for(lambda: any(word == "bye" for word, _ in said(log_of(server, function))))
    heard = events(log_of(server, function))
    invoked = [e for e in heard if e["eventType"] == "INVOKE"]
    assert [e["requestId"] for e in invoked][:2] == [first.request_id, second.request_id]
    assert invoked[0]["invokedFunctionArn"].endswith(function.name)
    assert invoked[0]["tracing"]["type"] == "X-Amzn-Trace-Id" and invoked[0]["deadlineMs"] > time.time() * 1000 - 60000
    assert heard[-1]["eventType"] == "SHUTDOWN" and heard[-1]["shutdownReason"] == "spindown"
    if runtime == "provided.al2023":  # the runtime goes first
        log = "\n".join(log_of(server, function))
        assert log.index("runtime was asked to go") < log.index("spindown")


def test_several_extensions_and_their_own_wishes(server):
    function = make(server, ("all", "invokes", "nothing"),
                    env={"invokes": {"events": ["INVOKE"]}, "nothing": {"events": []}})
    answer = function()
    assert answer.error is None, answer.log
    lines = [line for line in answer.lines if line.startswith("EXTENSION")]
    assert sorted(lines) == ["EXTENSION\tName: all\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
                             "EXTENSION\tName: invokes\tState: Ready\tEvents: [INVOKE]",
                             "EXTENSION\tName: nothing\tState: Ready\tEvents: []"]
    retire(function)
    wait_for(lambda: ("bye", None) in said(log_of(server, function), "all"))
    assert [e["eventType"] for e in events(log_of(server, function), "invokes")] == ["INVOKE"]
    assert events(log_of(server, function), "nothing") == []


def test_the_start_waits_for_slow_extensions(server):
    function = make(server, env={"watcher": {"slow": 1}})
    answer = function()
    assert answer.error is None and float(answer.report()["Init Duration"].split()[0]) >= 1000


def test_the_next_event_waits_for_busy_extensions(server):
    """The answer does not wait; the event after it does."""
    function = make(server, env={"watcher": {"works": 1}})
    first = function()
    second = function()
    assert second.json["pid"] == first.json["pid"]
    assert "watcher rested" not in first.lines
    assert second.lines.index("watcher rested") < second.lines.index(f"handling {second.request_id}")
    heard = events(log_of(server, function))
    assert heard[0]["requestId"] == first.request_id


def test_internal_extensions(server):
    function = make(server, (), env={"INTERNAL": [[{"events": ["INVOKE"]}, "inside"], [{"events": ["SHUTDOWN"]}, "greedy"],
                                                  [{"events": ["NOTHING"]}, "odd"], [{"events": []}, "inside"],
                                                  [{"configurationKeys": ["a"]}, "old"], [{"events": []}, ""]]})
    answer = function()
    replies = json.loads(next(line for line in answer.lines if line.startswith("internal"))[len("internal "):])
    assert [reply[0] for reply in replies] == [200, 403, 403, 403, 403, 403], replies
    assert [reply[1].get("errorType") for reply in replies] == [
        None, "Extension.InvalidEventType", "Extension.InvalidEventType", "Extension.InvalidExtensionState",
        "InvalidRequestFormat", "Extension.InvalidExtensionName"]
    assert "EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]" in answer.lines
    assert any(f"inside heard {answer.request_id}" in line for line in answer.lines + function().lines)


@pytest.mark.parametrize("path, name", [("/2022-07-01/telemetry", "Telemetry"), ("/2020-08-15/logs", "Logs")])
def test_telemetry_is_said_to_be_missing(server, path, name):
    answer = make(server, ())({"how": "unserved", "path": path})
    assert answer.json == [202, {"errorMessage": f"{name} API is not supported",
                                 "errorType": f"{name}.NotSupported"}]


def test_who_registers_late(server):
    answer = make(server)({"how": "register"})
    assert answer.json == [403, {"errorMessage": "Extension registration closed already",
                                 "errorType": "Extension.RegistrationClosed"}]


def test_python_fails_beside_an_extension_as_it_does_alone(server):
    function = make(server, runtime="python3.11")
    answer = function({"raise": True})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "KeyError")
    assert "[ERROR] KeyError: 'none'" in answer.lines and answer.json["requestId"] == answer.request_id
    assert function({}).json["name"] == function.name


@pytest.mark.parametrize("runtime", ["python3.11", "nodejs20.x"])
def test_a_wrapper_starts_the_runtime(server, runtime):
    script = "#!/bin/sh\necho wrapping\nexport WRAPPED=yes\nexec \"$@\"\n"
    files = {executable("wrap"): script, "index.py": PYTHON,
             "index.js": "exports.handler = async () => ({ wrapped: process.env.WRAPPED });"}
    function = deploy(server, zip_of(files), runtime, "index.handler",
                      Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}})
    answer = function({})
    assert answer.json["wrapped"] == "yes" and "wrapping" in answer.lines


# ---- how it ends ----


def test_the_end_after_a_timeout(server):
    function = make(server, Timeout=1)
    answer = function({"how": "sleep"})
    assert answer.json["errorType"] == "Sandbox.Timedout"
    wait_for(lambda: ("bye", None) in said(log_of(server, function)))
    assert events(log_of(server, function))[-1]["shutdownReason"] == "timeout"
    assert "runtime was asked to go" not in "\n".join(log_of(server, function))
    assert function().error is None


def test_the_end_after_an_exit(server):
    function = make(server)
    answer = function({"how": "exit"})
    assert answer.json["errorType"] == "Runtime.ExitError" and "exit status 3" in answer.json["errorMessage"]
    wait_for(lambda: ("bye", None) in said(log_of(server, function)))
    assert events(log_of(server, function))[-1]["shutdownReason"] == "failure"
    assert function().error is None


def test_who_lingers_is_ended(server):
    function = make(server, env={"watcher": {"lingers": True}})
    pid = function().json["pid"]
    instances = lambda: next(f["instances"] for f in json.loads(get(server, "/rouse/info")[2])["functions"]
                             if f["name"] == function.name)
    retire(function)
    wait_for(lambda: instances() == 0)
    wait_for(lambda: any(e["eventType"] == "SHUTDOWN" for e in events(log_of(server, function))))
    assert ("bye", None) not in said(log_of(server, function)) and pid > 0


# ---- what goes wrong ----


def check_end(answer, error_type, text):
    assert (answer.status, answer.error) == (200, "Unhandled"), answer.log
    assert answer.json == {"errorType": error_type,
                           "errorMessage": f"RequestId: {answer.request_id} Error: {text}"}
    assert answer.report()["Error Type"] == error_type


@pytest.mark.parametrize("status, text", [(0, "exit code 0"), (2, "exit status 2")])
def test_an_extension_that_ends_before_it_is_ready(server, status, text):
    answer = make(server, env={"watcher": {"exit": "early", "status": status}})()
    check_end(answer, "Extension.Crash", text)
    reports = [line for line in answer.lines if line.startswith("INIT_REPORT")]
    assert [line.split("\t")[1:] for line in reports] == [
        [f"Phase: {phase}", "Status: error", "Error Type: Extension.Crash"] for phase in ("init", "invoke")]
    assert "EXTENSION\tName: watcher\tState: Started\tEvents: []" in answer.lines


def test_an_extension_that_says_that_it_cannot_start(server):
    answer = make(server, env={"watcher": {"fails": "init"}})()
    check_end(answer, "Extension.InitError", "exit code 0")
    assert ("EXTENSION\tName: watcher\tState: InitError\tEvents: [INVOKE, SHUTDOWN]\t"
            "Error Type: Extension.NoConfig") in answer.lines


def test_an_extension_that_ends_on_the_way(server):
    function = make(server, env={"watcher": {"exit": "late", "status": 7}})
    answer = function({"how": "sleep"})
    check_end(answer, "Extension.Crash", "exit status 7")


def test_an_extension_that_gives_up(server):
    function = make(server, env={"watcher": {"fails": "exit"}})
    check_end(function({"how": "sleep"}), "Extension.ExitError", "exit code 0")


def test_a_file_that_cannot_be_run(server):
    files = {executable("extensions/broken"): "#!/nowhere/at/all\n"}
    arn = server.client("lambda").publish_layer_version(
        LayerName="l-" + uuid.uuid4().hex[:12], Content={"ZipFile": zip_of(files)})["LayerVersionArn"]
    function = deploy(server, zip_of({executable("bootstrap"): PROVIDED}), "provided.al2023", "x", Layers=[arn])
    check_end(function(), "Extension.LaunchError", "fork/exec /opt/extensions/broken: no such file or directory")
