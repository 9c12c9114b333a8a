# SPDX-License-Identifier: Apache-2.0
"""Invoke, in its three kinds, and what is asked about the server itself."""
import base64
import concurrent.futures
import http.client
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from test_lambda import arn, create, fails, lam  # noqa: F401  (lam is a fixture)


def get(server, path, signed=True, secret=None, method="GET", body=None):
    """(status, headers, body) of one request, signed for Lambda."""
    request = AWSRequest(method=method, url=server.url + path, data=body)
    if signed:
        SigV4Auth(Credentials(server.access_key, secret or server.secret_key), "lambda",
                  "us-east-1").add_auth(request)
    prepared = urllib.request.Request(server.url + path, method=method, data=body,
                                      headers=dict(request.headers.items()))
    try:
        with urllib.request.urlopen(prepared) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def echo(lam):  # noqa: F811
    return create(lam)[0]


def test_reply_has_lambdas_headers(lam, echo):  # noqa: F811
    got = lam.invoke(FunctionName=echo, Payload=b'{"a": 1}', LogType="Tail")
    assert got["StatusCode"] == 200 and got["Payload"].read() == b'{"a": 1}'
    assert got["ExecutedVersion"] == "$LATEST" and "FunctionError" not in got
    headers = got["ResponseMetadata"]["HTTPHeaders"]
    request_id = headers["x-amzn-requestid"]
    assert headers["x-rouse-tier"] in ("hot", "warm", "cool", "cold")
    assert float(headers["x-rouse-duration-ms"]) >= 0
    log = base64.b64decode(got["LogResult"]).decode()
    assert f"START RequestId: {request_id} Version: $LATEST" in log
    assert f"END RequestId: {request_id}" in log
    assert f"REPORT RequestId: {request_id}\tDuration:" in log
    assert "LogResult" not in lam.invoke(FunctionName=echo)
    assert lam.invoke(FunctionName=echo)["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"] == "hot"


@pytest.mark.parametrize("payload", [b"", b"null", b"\x00\xff" * 1000, b"x" * 6291456],
                         ids=["empty", "null", "binary", "largest"])
def test_payloads_pass_unread(lam, echo, payload):  # noqa: F811
    got = lam.invoke(FunctionName=echo, Payload=payload)
    assert "FunctionError" not in got
    assert got["Payload"].read() == payload


def test_payloads_are_bounded(lam, echo):  # noqa: F811
    code, status, message = fails(lam.invoke, FunctionName=echo, Payload=b"x" * 6291457)
    assert (code, status) == ("RequestTooLargeException", 413)
    assert "6291457 byte payload is too large for the RequestResponse" in message
    code, status, message = fails(lam.invoke, FunctionName=echo, InvocationType="Event",
                                  Payload=b"x" * 262145)
    assert (code, status) == ("RequestTooLargeException", 413)
    lam.invoke(FunctionName=echo, InvocationType="Event", Payload=b"x" * 262144)


def test_kinds(server, lam, echo):  # noqa: F811
    got = lam.invoke(FunctionName=echo, InvocationType="DryRun")
    assert got["StatusCode"] == 204
    got = lam.invoke(FunctionName=echo, InvocationType="Event", Payload=b'{"event": 1}')
    assert got["StatusCode"] == 202 and got["Payload"].read() == b""
    request_id = got["ResponseMetadata"]["RequestId"]
    until = time.monotonic() + 60
    log = ""
    while f"END RequestId: {request_id}" not in log and time.monotonic() < until:
        time.sleep(0.05)
        log = get(server, f"/rouse/logs/{echo}")[2].decode()
    assert f"START RequestId: {request_id}" in log
    other = server.client("lambda", parameter_validation=False)
    assert fails(other.invoke, FunctionName=echo, InvocationType="Maybe")[0] == (
        "ValidationException")


def test_many_at_once(lam, echo):  # noqa: F811
    def one(i):
        return lam.invoke(FunctionName=echo, Payload=str(i).encode())["Payload"].read()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(400))) == [str(i).encode() for i in range(400)]


def test_queue_is_bounded(make_server):
    rouse = make_server("--queue-max", "1", "--max-instances", "1")
    lam = rouse.client("lambda", max_pool_connections=64)  # noqa: F811
    name = create(lam)[0]

    def one(_):
        try:
            lam.invoke(FunctionName=name, Payload=b"x" * 100000)
            return 200, None
        except Exception as error:  # the refusal is looked at below
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response

    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        results = list(pool.map(one, range(480)))
    assert {status for status, _ in results} <= {200, 429}
    for status, response in results:
        if status == 429:
            assert response["Error"]["Code"] == "TooManyRequestsException"
            assert response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "1"
            assert response["Reason"] and response["Type"] == "User"


def test_client_that_leaves(server, lam, echo):  # noqa: F811
    for _ in range(20):
        request = AWSRequest(method="POST", data=b"{}",
                             url=f"{server.url}/2015-03-31/functions/{echo}/invocations")
        SigV4Auth(Credentials(server.access_key, server.secret_key), "lambda",
                  "us-east-1").add_auth(request)
        address = urllib.parse.urlsplit(server.url)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request("POST", address.path or
                           f"/2015-03-31/functions/{echo}/invocations", b"{}",
                           dict(request.headers.items()))
        connection.close()
    assert lam.invoke(FunctionName=echo, Payload=b"still")["Payload"].read() == b"still"


# ── who asks ──

def test_credentials(server, echo):
    path = f"/2015-03-31/functions/{echo}"
    assert get(server, path)[0] == 200
    status, headers, body = get(server, path, signed=False)
    assert status == 403 and headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    status, headers, body = get(server, path, secret="wrong")
    assert status == 403 and headers["x-amzn-ErrorType"] == "InvalidSignatureException"
    assert headers["x-amzn-RequestId"] and b"does not match" in body
    status, headers, body = get(server, path + "/invocations", method="POST", body=b"1",
                                secret="wrong")
    assert (status, headers["x-amzn-ErrorType"]) == (403, "InvalidSignatureException")
    from conftest import Server
    stranger = Server.__new__(Server)
    stranger.url, stranger.access_key, stranger.secret_key = server.url, "AKIDNOBODY", "x"
    status, headers, body = get(stranger, path)
    assert (status, headers["x-amzn-ErrorType"]) == (403, "UnrecognizedClientException")


def test_insecure_takes_anybody(make_server):
    rouse = make_server("--insecure")
    rouse.access_key, rouse.secret_key = "test", "test"
    lam = rouse.client("lambda")  # noqa: F811
    name = create(lam)[0]
    assert lam.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"
    assert get(rouse, f"/2015-03-31/functions/{name}", signed=False)[0] == 200


def test_what_is_not_there(server):
    status, headers, body = get(server, "/2015-03-31/nothing")
    assert (status, headers["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    status, headers, body = get(server, "/2015-03-31/functions/", method="PATCH", body=b"{}")
    assert (status, headers["x-amzn-ErrorType"]) == (405, "MethodNotAllowedException")
    status, headers, body = get(server, "/2015-03-31/functions", method="POST", body=b"{nonsense")
    assert (status, headers["x-amzn-ErrorType"]) == (400, "InvalidRequestContentException")
    streams = server.client("kinesis")
    with pytest.raises(Exception) as info:
        streams.list_streams()
    assert "not served here" in str(info.value)


# ── the server itself ──

def test_health(server):
    assert get(server, "/healthz", signed=False)[2] == b"ok\n"
    assert get(server, "/readyz", signed=False)[0] == 200
    health = json.loads(get(server, "/_localstack/health", signed=False)[2])
    assert health["services"]["lambda"] == "running" and health["services"]["s3"] == "running"


def test_info(server, lam, echo):  # noqa: F811
    lam.invoke(FunctionName=echo)
    assert get(server, "/rouse/info", signed=False)[0] == 403
    info = json.loads(get(server, "/rouse/info")[2])
    mine = [f for f in info["functions"] if f["name"] == echo][0]
    assert mine["invocations"] >= 1 and mine["state"] == "Active" and mine["runtime"] == "onnx"
    assert info["version"] and info["pid"] == server.process.pid and info["uptimeMs"] > 0
    assert get(server, "/rouse/nothing")[0] == 404
    assert get(server, "/rouse/logs/nothing")[0] == 404
    assert get(server, f"/rouse/logs/{echo}?since=yesterday")[0] == 400


def test_logs_since(server, lam, echo):  # noqa: F811
    lam.invoke(FunctionName=echo)
    lines = get(server, f"/rouse/logs/{echo}")[2].decode().splitlines()
    assert any("REPORT RequestId" in line for line in lines)
    later = int(time.time() * 1000) + 3600000
    assert get(server, f"/rouse/logs/{echo}?since={later}")[2] == b""


def test_logs_follow(server, lam, echo):  # noqa: F811
    path = f"/rouse/logs/{echo}?follow=1"
    request = AWSRequest(method="GET", url=server.url + path)
    SigV4Auth(Credentials(server.access_key, server.secret_key), "lambda",
              "us-east-1").add_auth(request)
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request("GET", path, headers=dict(request.headers.items()))
    answer = connection.getresponse()
    assert answer.status == 200
    sent = threading.Thread(target=lambda: lam.invoke(FunctionName=echo))
    sent.start()
    seen = b""
    while b"REPORT" not in seen:
        seen += answer.readline()
    sent.join()
    connection.close()


def test_drains(rouse):
    lam = rouse.client("lambda")  # noqa: F811
    name = create(lam)[0]
    lam.invoke(FunctionName=name)
    assert rouse.stop() == 0
    assert "stopped" in rouse.log
