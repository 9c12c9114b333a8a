# SPDX-License-Identifier: Apache-2.0
"""Failures of events, which nobody waits for: what the sender is told, what the destination gets after
the last attempt, and the log lines of each."""
import json

import pytest

from conftest import zip_of
from runtime_support import deploy, wait_for
from test_lambda import arn
from test_lambda_invoke import get
from test_runtime_failures import LIMIT, PYTHON, reason

UNLOADABLE = "import nothing_of_that_name\n"
# How it is asked to fail; type and words that Lambda has for it ("": those of the function).
FAILURES = {
    "raise": ({"how": "raise"}, "Refusal", ""),
    "large": ({"how": "large", "size": LIMIT + 1}, "Function.ResponseSizeTooLarge", ""),
    "exit": ({"how": "exit", "status": 3}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    "sleep": ({"how": "sleep"}, "Sandbox.Timedout", "Task timed out after 1.00 seconds"),
    "memory": ({"how": "memory"}, "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
    "load": ({}, "Runtime.ImportModuleError", ""),
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """All at once: {how: (function, what Invoke answered, the record, the log)}"""
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("failed") / "data", "--retry-delay", "10ms").start()
    lam, s3 = server.client("lambda"), server.client("s3")
    s3.create_bucket(Bucket="failed")
    functions = {how: deploy(server, zip_of({"app.py": UNLOADABLE if how == "load" else PYTHON}), "python3.11",
                             "app.handler", Timeout=1 if how == "sleep" else 30, MemorySize=128)
                 for how in FAILURES}
    answers = {}
    for how, function in functions.items():
        lam.put_function_event_invoke_config(
            FunctionName=function.name, MaximumRetryAttempts=1,
            DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::failed/{how}/"}})
        answers[how] = lam.invoke(FunctionName=function.name, InvocationType="Event",
                                  Payload=json.dumps(FAILURES[how][0]))

    def records():
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="failed").get("Contents", [])]
        return keys if len(keys) == len(FAILURES) else None

    found = {key.split("/")[0]: json.loads(s3.get_object(Bucket="failed", Key=key)["Body"].read())
             for key in wait_for(records, 60)}
    yield {how: (functions[how], answers[how], found[how],
                 [line.split("\t", 1)[1] for line in
                  get(server, f"/rouse/logs/{functions[how].name}")[2].decode().splitlines()])
           for how in FAILURES}
    assert server.stop() == 0


@pytest.mark.parametrize("how", FAILURES)
def test_an_event_fails(failed, how):
    function, answer, record, log = failed[how]
    event, error_type, words = FAILURES[how]
    request_id = answer["ResponseMetadata"]["RequestId"]
    # The sender is told that it was taken, and no more.
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert "FunctionError" not in answer and "ExecutedVersion" not in answer
    # The record is Lambda's.
    assert record["requestContext"] == {
        "requestId": request_id, "functionArn": arn(function.name, "$LATEST"),
        "condition": "RetriesExhausted", "approximateInvokeCount": 2}
    assert record["requestPayload"] == event
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST",
                                         "functionError": "Unhandled"}
    document = record["responsePayload"]
    if how == "memory" and document["errorType"] == "MemoryError":
        words = ""  # no cgroup here: allocations are refused instead
    else:
        assert document["errorType"] == error_type
    # Both attempts are in the log, under the one request id.
    assert log.count(f"START RequestId: {request_id} Version: $LATEST") == 2
    assert log.count(f"END RequestId: {request_id}") == 2
    assert sum(line.startswith(f"REPORT RequestId: {request_id}\tDuration: ") for line in log) == 2
    if words:
        assert document["errorMessage"] == f"RequestId: {request_id} Error: {reason('python', words)}"
    if how == "raise":
        assert document["errorMessage"] == "no <b>Grüße</b>" and len(document["stackTrace"]) == 2
        assert log.count("[ERROR] Refusal: no <b>Grüße</b>") == 2
    if how == "sleep":
        assert sum(f"{request_id} Task timed out after 1.00 seconds" in line for line in log) == 2
