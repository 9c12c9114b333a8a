# SPDX-License-Identifier: Apache-2.0
"""Answers that are streamed: InvokeWithResponseStream with boto3's own decoder, for runtimes that stream and
for those that do not."""
import base64
import json
import re

import pytest
from botocore.exceptions import ClientError
from conftest import zip_of
from runtime_programs import BOOTSTRAP
from runtime_support import deploy, executable, sanitized, wait_for
from test_lambda_invoke import get
from test_runtime_failures import PYTHON as FAILING

LIMIT = 200 * 1024 * 1024

NODE = '''
const { setTimeout: sleep } = require("node:timers/promises");
exports.handler = awslambda.streamifyResponse(async (event, stream, context) => {
  if (event.fail === "before") {
    throw new RangeError("not a piece");
  }
  if (event.prelude) {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { "X-A": "b" } });
  } else {
    stream.setContentType("text/plain");
  }
  console.log("streaming for", context.awsRequestId);
  for (const piece of event.pieces ?? []) {
    stream.write(piece);
    await sleep(5);
  }
  if (event.fail === "middle") {
    throw new RangeError("no more");
  }
  if (event.fail === "exit") {
    process.exit(3);
  }
  if (event.fail === "sleep") {
    await sleep(60000);
  }
  if (event.megabytes) {
    const piece = Buffer.alloc(1 << 20, "x");
    for (let i = 0; i < event.megabytes; i++) {
      if (!stream.write(piece)) {
        await new Promise((resolve) => stream.once("drain", resolve));
      }
    }
  }
  stream.end();
});
'''

PROVIDED = BOOTSTRAP + '''
def handler(runtime, event, request_id, headers):
    how = event.get("fail")
    if how == "before":
        runtime.error("invocation/" + request_id + "/error", "Runtime.Own", "not a piece")
        return None
    stream = Stream(runtime, request_id, event.get("type", "text/plain"))
    print("streaming for", request_id, flush=True)
    for piece in event.get("pieces", []):
        stream.write(piece.encode())
        time.sleep(0.005)
    if how == "middle":
        stream.fail("Runtime.Own", json.dumps({"errorType": "Runtime.Own", "errorMessage": "no more"}))
    elif how == "exit":
        os._exit(3)
    elif how == "sleep":
        time.sleep(60)
    elif how == "cut":
        runtime.connection.close()
    else:
        try:
            for _ in range(event.get("megabytes", 0)):
                stream.write(b"x" * (1 << 20))
            stream.end()
        except OSError as error:  # no more of it is read
            print("cut off:", error, flush=True)
            runtime.connection.close()
    return None

serve(handler, Runtime())
'''

BUFFERED = '''
def handler(event, context):
    if event.get("fail"):
        raise KeyError("none")
    return {"echo": event}
'''


@pytest.fixture(scope="module")
def node(server):
    return deploy(server, zip_of({"index.js": NODE}), "nodejs20.x", "index.handler", Timeout=20,
                  MemorySize=1769)


@pytest.fixture(scope="module")
def provided(server):
    return deploy(server, zip_of({executable("bootstrap"): PROVIDED}), "provided.al2023", "none", Timeout=20,
                  MemorySize=1769)  # a core of its own


@pytest.fixture(scope="module", params=["node", "provided"])
def streaming(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def buffered(server):
    return deploy(server, zip_of({"app.py": BUFFERED}), "python3.11", "app.handler")


class Streamed:
    """What InvokeWithResponseStream gave, read to its end."""

    def __init__(self, function, event, **more):
        reply = function.client.invoke_with_response_stream(FunctionName=function.name, Payload=json.dumps(event),
                                                            **more)
        self.status, self.version = reply["StatusCode"], reply["ExecutedVersion"]
        self.content_type = reply["ResponseStreamContentType"]
        self.request_id = reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        events = list(reply["EventStream"])
        self.pieces = [e["PayloadChunk"]["Payload"] for e in events if "PayloadChunk" in e]
        assert ["InvokeComplete" in e for e in events] == [False] * len(self.pieces) + [True]
        self.complete = events[-1]["InvokeComplete"]

    @property
    def all(self):
        return b"".join(self.pieces)


# ---- what comes ----


def test_pieces_come_as_they_were_written(streaming):
    got = Streamed(streaming, {"pieces": ["a", "Grüße", "c" * 1000]})
    assert got.pieces == [b"a", "Grüße".encode(), b"c" * 1000]
    assert (got.status, got.version, got.complete) == (200, "$LATEST", {})
    assert got.content_type == "application/vnd.amazon.eventstream"
    assert Streamed(streaming, {"pieces": ["again"]}).all == b"again"


def test_nothing_is_an_answer_too(streaming):
    got = Streamed(streaming, {"pieces": []})
    assert (got.pieces, got.complete) == ([], {})


def test_the_log_comes_last(streaming):
    got = Streamed(streaming, {"pieces": ["a"]}, LogType="Tail")
    log = base64.b64decode(got.complete["LogResult"]).decode()
    assert f"START RequestId: {got.request_id}" in log and f"REPORT RequestId: {got.request_id}" in log
    assert f"streaming for {got.request_id}" in log


def test_a_function_that_does_not_stream_gives_one_chunk(buffered):
    got = Streamed(buffered, {"a": "x" * 2000000})
    assert len(got.pieces) == 1 and json.loads(got.all) == {"echo": {"a": "x" * 2000000}}
    assert (got.status, got.complete) == (200, {})


def test_invoke_gives_a_stream_as_a_whole(streaming):
    answer = streaming({"pieces": ["a", "b", "c"]})
    assert (answer.error, answer.raw) == (None, b"abc")


def test_a_prelude_is_passed_on(node):
    got = Streamed(node, {"prelude": True, "pieces": ["body"]})
    prelude, body = got.all.split(b"\0" * 8)
    assert json.loads(prelude) == {"statusCode": 201, "headers": {"X-A": "b"}} and body == b"body"


# ---- who sets the pace ----


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def running(server, function):
    info = json.loads(get(server, "/rouse/info")[2])
    return next(f["running"] for f in info["functions"] if f["name"] == function.name)


def test_a_slow_reader_holds_the_function_back(server, streaming):
    size = 64 << 20
    before = rss_mb(server.process.pid)
    reply = streaming.client.invoke_with_response_stream(FunctionName=streaming.name,
                                                         Payload=json.dumps({"megabytes": 64}))
    events = iter(reply["EventStream"])
    got = len(next(events)["PayloadChunk"]["Payload"])
    assert running(server, streaming) == 1  # it is not over, and yet we have a part
    for event in events:
        got += len(event.get("PayloadChunk", {}).get("Payload", b""))
    assert got == size and event["InvokeComplete"] == {}
    assert rss_mb(server.process.pid) < before + 24 or sanitized(), "what was not read was kept"


def test_who_leaves_does_not_stop_the_function(server, streaming):
    reply = streaming.client.invoke_with_response_stream(FunctionName=streaming.name,
                                                         Payload=json.dumps({"megabytes": 32}))
    next(iter(reply["EventStream"]))
    reply["EventStream"].close()
    wait_for(lambda: running(server, streaming) == 0)
    request_id = reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    log = get(server, f"/rouse/logs/{streaming.name}")[2].decode()
    report = next(line for line in log.splitlines() if f"REPORT RequestId: {request_id}" in line)
    assert "Status:" not in report
    assert Streamed(streaming, {"pieces": ["still"]}).all == b"still"


def test_a_stream_is_bounded(server, provided):
    path = f"/2021-11-15/functions/{provided.name}/response-streaming-invocations"
    raw = get(server, path, method="POST", body=b'{"megabytes": 210}')[2]  # undecoded: it is large
    assert LIMIT < len(raw) < 1.02 * LIMIT  # each message adds a little
    assert b'{"ErrorCode":"Function.ResponseSizeTooLarge"}' in raw[-200:]
    assert Streamed(provided, {"pieces": ["still"]}).all == b"still"


def test_a_stream_that_invoke_cannot_hold(streaming):
    answer = streaming({"megabytes": 7})
    assert (answer.error, answer.json["errorType"]) == ("Unhandled", "Function.ResponseSizeTooLarge")
    assert Streamed(streaming, {"pieces": ["still"]}).all == b"still"


# ---- what goes wrong ----


def test_an_error_before_the_first_piece(streaming):
    got = Streamed(streaming, {"fail": "before"}, LogType="Tail")
    assert (got.status, got.pieces, got.complete["ErrorCode"]) == (200, [], "Unhandled")
    assert json.loads(got.complete["ErrorDetails"])["errorMessage"] == "not a piece"
    assert "LogResult" in got.complete


def test_an_error_of_a_function_that_does_not_stream(buffered):
    got = Streamed(buffered, {"fail": True})
    assert (got.pieces, got.complete["ErrorCode"]) == ([], "Unhandled")
    assert json.loads(got.complete["ErrorDetails"])["errorType"] == "KeyError"


def test_an_error_on_the_way(streaming, request):
    got = Streamed(streaming, {"pieces": ["a"], "fail": "middle"})
    own = "Runtime.Own" if "provided" in request.node.name else "Runtime.Unknown"
    assert (got.pieces, got.complete["ErrorCode"]) == ([b"a"], own)
    assert json.loads(got.complete["ErrorDetails"])["errorMessage"] == "no more"
    answer = streaming({"pieces": ["a"], "fail": "middle"})
    assert (answer.error, answer.json["errorMessage"]) == ("Unhandled", "no more")


def test_an_exit_on_the_way(streaming):
    got = Streamed(streaming, {"pieces": ["a"], "fail": "exit"})
    assert (got.pieces, got.complete) == ([b"a"], {"ErrorCode": "Runtime.TruncatedResponse"})
    assert Streamed(streaming, {"pieces": ["still"]}).all == b"still"


def test_a_connection_that_is_cut(provided):
    got = Streamed(provided, {"pieces": ["a"], "fail": "cut"}, LogType="Tail")
    assert (got.pieces, got.complete["ErrorCode"]) == ([b"a"], "Runtime.TruncatedResponse")
    assert "Error Type: Runtime.TruncatedResponse" in base64.b64decode(got.complete["LogResult"]).decode()
    assert Streamed(provided, {"pieces": ["still"]}).all == b"still"


def test_too_slow_on_the_way(streaming):
    streaming.client.update_function_configuration(FunctionName=streaming.name, Timeout=1)
    try:
        got = Streamed(streaming, {"pieces": ["a"], "fail": "sleep"}, LogType="Tail")
    finally:
        streaming.client.update_function_configuration(FunctionName=streaming.name, Timeout=20)
    assert (got.pieces, got.complete["ErrorCode"]) == ([b"a"], "Sandbox.Timedout")
    assert "Task timed out after 1.00 seconds" in base64.b64decode(got.complete["LogResult"]).decode()


ENDINGS = {
    "exit": (FAILING, {"how": "exit", "status": 3}, {}, "Runtime.ExitError"),
    "sleep": (FAILING, {"how": "sleep"}, {"Timeout": 1}, "Sandbox.Timedout"),
    "memory": (FAILING, {"how": "memory"}, {"MemorySize": 128}, "Runtime.OutOfMemory"),
    "load": ("import nothing_of_that_name\n", {}, {}, "Runtime.ImportModuleError"),
    "large": (FAILING, {"how": "large", "size": 6 * 1024 * 1024 + 101}, {}, "Function.ResponseSizeTooLarge"),
}


@pytest.mark.parametrize("how", ENDINGS)
def test_an_end_before_the_first_piece(server, how):
    """The document is the one that Invoke would have given."""
    code, event, more, error_type = ENDINGS[how]
    function = deploy(server, zip_of({"app.py": code}), "python3.11", "app.handler", **{"Timeout": 30, **more})
    got = Streamed(function, event, LogType="Tail")
    document = json.loads(got.complete["ErrorDetails"])
    invoked = function(event).json
    assert (got.status, got.pieces, got.complete["ErrorCode"]) == (200, [], "Unhandled")
    if document["errorType"] != "MemoryError":  # no cgroup here: allocations are refused instead
        assert document["errorType"] == invoked["errorType"] == error_type
    without_id = [re.sub("RequestId: [-0-9a-f]+", "", one["errorMessage"]) for one in (document, invoked)]
    assert without_id[0] == without_id[1]
    log = base64.b64decode(got.complete["LogResult"]).decode()
    assert f"END RequestId: {got.request_id}" in log and f"REPORT RequestId: {got.request_id}" in log


# ---- the call itself ----


def fails(function, status, code, **more):
    with pytest.raises(ClientError) as info:
        function.client.invoke_with_response_stream(**{"FunctionName": function.name, **more})
    assert info.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert info.value.response["Error"]["Code"] == code


def test_calls_that_are_refused(server, buffered):
    assert buffered.client.invoke_with_response_stream(FunctionName=buffered.name,
                                                       InvocationType="DryRun")["StatusCode"] == 204
    fails(buffered, 404, "ResourceNotFoundException", FunctionName="nobody")
    fails(buffered, 404, "ResourceNotFoundException", Qualifier="7")
    fails(buffered, 413, "RequestTooLargeException", Payload=b"x" * 6291457)
    buffered.client = server.client("lambda", parameter_validation=False)
    fails(buffered, 400, "ValidationException", InvocationType="Event")
    buffered.client.put_function_concurrency(FunctionName=buffered.name, ReservedConcurrentExecutions=0)
    fails(buffered, 429, "TooManyRequestsException")
    buffered.client.delete_function_concurrency(FunctionName=buffered.name)
    assert Streamed(buffered, {}).complete == {}
