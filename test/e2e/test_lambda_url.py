# SPDX-License-Identifier: Apache-2.0
"""Function URLs: made, changed and removed through boto3, called with plain HTTP. Most functions are
the echo task: the body that goes in is the answer that comes out."""
import json
import shutil
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from http_support import ECHO, make_function, make_python, make_role, send, send_signed
from runtime_support import wait_for

EVENTS = """
import json

def handler(event, context):
    if event["rawPath"] == "/raise":
        raise ValueError("as asked")
    if event["rawPath"] == "/malformed":
        return {"statusCode": "never"}
    if event["rawPath"] == "/list":
        return [1, 2]
    if event["rawPath"] == "/text":
        return "plain words"
    return {"statusCode": 201, "headers": {"X-Mine": "yes", "Access-Control-Allow-Origin": "me"},
            "cookies": ["a=1; Path=/", "b=2"], "body": json.dumps(event)}
"""


def fails(call, **arguments):
    with pytest.raises(ClientError) as info:
        call(**arguments)
    response = info.value.response
    return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"],
            response["Error"]["Message"])


def let_all_in(server, name):
    server.client("lambda").add_permission(
        FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*",
        FunctionUrlAuthType="NONE")


def make_url(server, name, auth="NONE", public=True, **more):
    """The id in the URL."""
    made = server.client("lambda").create_function_url_config(FunctionName=name, AuthType=auth,
                                                              **more)
    if auth == "NONE" and public:
        let_all_in(server, name)
    return made["FunctionUrl"].split("//")[1].split(".")[0]


def at(identifier, path="/"):
    return f"/_aws/lambda-url/{identifier}{path}"


@pytest.fixture(scope="module")
def events(server):
    """A function that answers with the event, its URL open to all."""
    name = make_python(server, EVENTS)
    return name, make_url(server, name)


@pytest.fixture(scope="module")
def echo(server):
    name = make_function(server)
    return name, make_url(server, name)


# ── the configuration ──

def test_life_of_a_url(server):
    lam = server.client("lambda")
    name = make_function(server)
    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60,
            "AllowCredentials": True, "AllowHeaders": ["x-a"], "ExposeHeaders": ["x-b"]}
    made = lam.create_function_url_config(FunctionName=name, AuthType="AWS_IAM", Cors=cors)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    identifier = made["FunctionUrl"].split("//")[1].split(".")[0]
    assert len(identifier) == 32 and identifier.isalnum()
    assert made["FunctionUrl"] == (
        f"http://{identifier}.lambda-url.us-east-1.localhost:{server.port}/")
    assert made["AuthType"] == "AWS_IAM" and made["Cors"] == cors
    assert made["FunctionArn"].endswith(f":function:{name}")
    got = lam.get_function_url_config(FunctionName=name)
    assert got["FunctionUrl"] == made["FunctionUrl"] and got["InvokeMode"] == "BUFFERED"
    assert got["CreationTime"] == made["CreationTime"] == got["LastModifiedTime"]
    changed = lam.update_function_url_config(FunctionName=name, AuthType="NONE")
    assert changed["AuthType"] == "NONE" and changed["Cors"] == cors
    assert changed["LastModifiedTime"] > changed["CreationTime"]
    assert "Cors" not in lam.update_function_url_config(FunctionName=name, Cors={})
    listed = lam.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert [one["FunctionUrl"] for one in listed] == [made["FunctionUrl"]]
    lam.delete_function_url_config(FunctionName=name)
    assert lam.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"] == []
    assert send(server, at(identifier)).status == 403


def test_what_cannot_be_configured(server, echo):
    lam = server.client("lambda", parameter_validation=False)
    name, _ = echo
    fresh = make_function(server)
    gone = "gone-" + uuid.uuid4().hex[:8]
    assert fails(lam.create_function_url_config, FunctionName=name, AuthType="NONE")[:2] == (
        "ResourceConflictException", 409)
    for call in (lam.get_function_url_config, lam.delete_function_url_config,
                 lam.update_function_url_config):
        assert fails(call, FunctionName=fresh) == (
            "ResourceNotFoundException", 404, "The resource you requested does not exist.")
    assert fails(lam.create_function_url_config, FunctionName=gone, AuthType="NONE")[:2] == (
        "ResourceNotFoundException", 404)
    for more, words in [({}, "Value null at 'authType'"),
                        ({"AuthType": "OPEN"}, "Value 'OPEN' at 'authType'"),
                        ({"AuthType": "NONE", "InvokeMode": "UNKNOWN"},
                         "enum value set: [RESPONSE_STREAM, BUFFERED]"),
                        ({"AuthType": "NONE", "Qualifier": "$LATEST"}, "at 'qualifier'"),
                        ({"AuthType": "NONE", "Qualifier": "1"}, "at 'qualifier'"),
                        ({"AuthType": "NONE", "Cors": {"MaxAge": 86401}}, "Cors.MaxAge"),
                        ({"AuthType": "NONE", "Cors": {"AllowOrigins": [""]}}, "Cors.AllowOrigins[0]"),
                        ({"AuthType": "NONE", "Cors": {"AllowOrigins": ["a\r\nb: c"]}},
                         "Cors.AllowOrigins[0]")]:
        code, status, message = fails(lam.create_function_url_config, FunctionName=fresh, **more)
        assert (code, status) == ("ValidationException", 400) and words in message
    assert fails(lam.create_function_url_config, FunctionName=fresh, AuthType="NONE",
                 Qualifier="nobody")[:2] == ("ResourceNotFoundException", 404)
    assert lam.list_function_url_configs(FunctionName=fresh)["FunctionUrlConfigs"] == []


def test_permission_for_urls_only(server, echo):
    lam = server.client("lambda", parameter_validation=False)
    name, _ = echo
    assert "FunctionUrlAuthType is only supported" in fails(
        lam.add_permission, FunctionName=name, StatementId="x", Action="lambda:InvokeFunction",
        Principal="*", FunctionUrlAuthType="NONE")[2]
    assert "functionUrlAuthType" in fails(
        lam.add_permission, FunctionName=name, StatementId="x", Action="lambda:InvokeFunctionUrl",
        Principal="*", FunctionUrlAuthType="ANY")[2]
    statement = json.loads(lam.add_permission(
        FunctionName=name, StatementId="via", Action="lambda:InvokeFunction", Principal="*",
        InvokedViaFunctionUrl=True)["Statement"])
    assert statement["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}


def test_url_outlives_a_kill_and_goes_with_its_function(rouse):
    lam = rouse.client("lambda")
    name = make_function(rouse)
    identifier = make_url(rouse, name)
    rouse.kill()
    rouse.start()
    assert send(rouse, at(identifier), "POST", b'"still here"').text == "still here"
    lam.delete_function(FunctionName=name)
    assert send(rouse, at(identifier)).json == {"Message": None}
    lam.create_function(FunctionName=name, Runtime="onnx", Handler="model.yaml",
                        Role="arn:aws:iam::000000000000:role/test", Code={"ZipFile": ECHO})
    assert fails(lam.get_function_url_config, FunctionName=name)[1] == 404


def test_aliases_have_urls_of_their_own(server):
    lam = server.client("lambda")
    name = make_function(server)
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    made = lam.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    assert made["FunctionArn"].endswith(f":{name}:live")
    identifier = made["FunctionUrl"].split("//")[1].split(".")[0]
    other = make_url(server, name)
    assert send(server, at(identifier), "POST", b"1").status == 403  # its policy is its own, too
    lam.add_permission(FunctionName=name, Qualifier="live", StatementId="url", Principal="*",
                       Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE")
    assert send(server, at(identifier), "POST", b"1").text == "1"
    listed = lam.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert len(listed) == 2
    assert len(lam.list_function_url_configs(FunctionName=name, MaxItems=1)["FunctionUrlConfigs"]) == 1
    lam.delete_alias(FunctionName=name, Name="live")
    assert send(server, at(identifier), "POST", b"1").json == {"Message": None}
    assert send(server, at(other), "POST", b"1").text == "1"


# ── events ──

def test_event(server, events):
    _, identifier = events
    host = f"{identifier}.lambda-url.us-east-1.localhost:{server.port}"
    reply = send(server, "/a%20b/c?x=1&x=%32&y=a+b", "POST", '{"ä": 1}'.encode(),
                 [("Content-Type", "application/json"), ("X-Twice", "1"), ("x-twice", "2"),
                  ("Cookie", "c=1; d=2"), ("User-Agent", "tests"), ("X-Forwarded-For", "10.0.0.1")],
                 host)
    assert reply.status == 201 and reply.headers["x-mine"] == "yes"
    assert reply.cookies == ["a=1; Path=/", "b=2"]
    assert reply.headers["content-type"] == "application/json"
    event = reply.json
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/a%20b/c" and event["rawQueryString"] == "x=1&x=%32&y=a+b"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "a b"}
    assert event["cookies"] == ["c=1", "d=2"] and "cookie" not in event["headers"]
    assert event["headers"]["x-twice"] == "1,2" and event["headers"]["host"] == host
    assert event["headers"]["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["body"] == '{"ä": 1}' and event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["requestId"] == reply.headers["x-amzn-requestid"]
    assert context["domainName"] == host and context["domainPrefix"] == identifier
    assert context["apiId"] == identifier and context["accountId"] == "anonymous"
    assert "authorizer" not in context and context["stage"] == "$default"
    assert context["http"] == {"method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1",
                               "sourceIp": "127.0.0.1", "userAgent": "tests"}


def test_the_request_is_in_the_log_of_the_function(server, events):
    name, identifier = events
    request = send(server, at(identifier, "/log")).headers["x-amzn-requestid"]
    wait_for(lambda: request in send_signed(
        server, "lambda", f"/rouse/logs/{name}").text or None)


@pytest.mark.parametrize("headers, body, event_body, base64", [
    ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1", "YT0x", True),
    ({"Content-Type": "image/png"}, b"\x89PNG", "iVBORw==", True),
    ({"Content-Type": "text/plain"}, b"\xff", "/w==", True),
    ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", "e30=", True),
    ({}, b"words", "words", False),
])
def test_bodies(server, events, headers, body, event_body, base64):
    event = send(server, at(events[1]), "PUT", body, headers).json
    assert (event["body"], event["isBase64Encoded"]) == (event_body, base64)


def test_large_bodies(server, events):
    big = b"x" * 1_000_000
    event = send(server, at(events[1]), "POST", big, {"Content-Type": "text/plain"}).json
    assert event["body"] == big.decode()
    assert send(server, at(events[1]), "POST", b"x" * (6 * 1024 * 1024 + 1)).status == 413
    # 6 MB of base64 in an event are more than 6 MB
    assert send(server, at(events[1]), "POST", b"\xff" * (5 * 1024 * 1024)).status == 413


# ── answers ──

@pytest.mark.parametrize("answer, status, body, kind", [
    (b'{"statusCode": 418, "body": "tea", "headers": {"content-type": "text/tea"}}', 418, b"tea",
     "text/tea"),
    (b'{"statusCode": "202", "body": "AQID", "isBase64Encoded": true}', 202, b"\1\2\3",
     "application/json"),
    (b'{"hello": 1.50}', 200, b'{"hello": 1.50}', "application/json"),
    (b'"text"', 200, b"text", "application/json"),
    (b"no JSON", 200, b"no JSON", "application/json"),
    (b'{"statusCode": 200, "body": [1]}', 502, b"Internal Server Error", "application/json"),
    (b'{"statusCode": 99}', 502, b"Internal Server Error", "application/json"),
])
def test_answers(server, echo, answer, status, body, kind):
    reply = send(server, at(echo[1]), "POST", answer)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (status, body, kind)


def test_answers_of_python(server, events):
    _, identifier = events
    assert send(server, at(identifier, "/list")).json == [1, 2]
    assert send(server, at(identifier, "/text")).text == "plain words"
    head = send(server, at(identifier), "HEAD")
    assert head.status == 201 and head.body == b"" and int(head.headers["content-length"]) > 100
    for path in ("/raise", "/malformed"):
        reply = send(server, at(identifier, path))
        assert (reply.status, reply.text) == (502, "Internal Server Error")


def test_malformed_answers_are_told_in_the_log(server, events):
    name, identifier = events
    send(server, at(identifier, "/malformed"))
    wait_for(lambda: '"statusCode" must be an integer, is a string' in send_signed(
        server, "lambda", f"/rouse/logs/{name}").text or None)


def test_nothing_gets_into_the_headers(server, echo):
    answer = json.dumps({"statusCode": 200, "body": "x", "headers": {
        "X": "a\r\nX-Evil: 1", "Content-Length": "999", "Transfer-Encoding": "chunked",
        "Connection": "close", "Bad Name": "1", "Good": "1"}}).encode()
    reply = send(server, at(echo[1]), "POST", answer)
    assert reply.body == b"x" and reply.headers["good"] == "1"
    assert not {"x", "x-evil", "bad name"} & set(reply.headers)


def test_throttled(server):
    name = make_function(server)
    identifier = make_url(server, name)
    server.client("lambda").put_function_concurrency(FunctionName=name,
                                                     ReservedConcurrentExecutions=0)
    reply = send(server, at(identifier))
    assert reply.status == 429 and reply.json["message"] == "Rate Exceeded."
    assert reply.headers["retry-after"] == "1"


def test_timed_out(server):
    name = make_python(server, "import time\n\ndef handler(e, c):\n    time.sleep(60)\n", Timeout=1)
    reply = send(server, at(make_url(server, name)))
    assert (reply.status, reply.text) == (502, "Internal Server Error")


def test_unknown_urls(server):
    for path, host in [(at("0" * 32, "/x"), None), ("/_aws/lambda-url/", None),
                       ("/", f"{'0' * 32}.lambda-url.us-east-1.localhost:{server.port}")]:
        reply = send(server, path, host=host)
        assert reply.status == 403 and reply.json == {"Message": None}
        assert reply.headers["x-amzn-errortype"] == "AccessDeniedException"


# ── who may ──

def test_open_urls_need_the_function_s_permission(server):
    lam = server.client("lambda")
    name = make_function(server)
    identifier = make_url(server, name, public=False)
    reply = send(server, at(identifier), "POST", b"1")
    assert reply.status == 403 and reply.json == {"Message": "Forbidden"}
    assert reply.headers["x-amzn-errortype"] == "AccessDeniedException"
    lam.add_permission(FunctionName=name, StatementId="wrong", Principal="*",
                       Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM")
    assert send(server, at(identifier), "POST", b"1").status == 403
    let_all_in(server, name)
    assert send(server, at(identifier), "POST", b"1").text == "1"
    lam.remove_permission(FunctionName=name, StatementId="url")
    assert send(server, at(identifier), "POST", b"1").status == 403


def test_insecure_servers_ask_nobody(make_server):
    server = make_server("--insecure")
    name = make_function(server)
    assert send(server, at(make_url(server, name, public=False)), "POST", b"1").text == "1"
    server.client("lambda").update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    identifier = server.client("lambda").get_function_url_config(
        FunctionName=name)["FunctionUrl"].split("//")[1].split(".")[0]
    assert send(server, at(identifier), "POST", b"2").text == "2"


def test_signed_urls(server):
    name = make_python(server, EVENTS)
    identifier = make_url(server, name, "AWS_IAM")
    path = at(identifier, "/who?a=b")
    host = f"{identifier}.lambda-url.us-east-1.localhost:{server.port}"
    assert send(server, path).json == {"Message": "Forbidden"}
    root = send_signed(server, "lambda", "/who", "POST", b"body", host).json["requestContext"]
    assert root["authorizer"]["iam"] == {
        "accessKey": server.access_key, "accountId": "000000000000", "callerId": "000000000000",
        "cognitoIdentity": None, "principalOrgId": None,
        "userArn": "arn:aws:iam::000000000000:root", "userId": "000000000000"}
    assert root["accountId"] == "000000000000"
    wrong = send_signed(server, "s3", path)
    assert wrong.status == 403 and "correct service: 'lambda'" in wrong.json["message"]
    bad = send_signed(server, "lambda", path, keys=(server.access_key, "x" * 40, None))
    assert bad.status == 403 and bad.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_rights_of_roles(server):
    lam = server.client("lambda")
    name = make_function(server)
    path = at(make_url(server, name, "AWS_IAM"))
    arn = lam.get_function_configuration(FunctionName=name)["FunctionArn"]
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunctionUrl", "Resource": arn}
    deny = {**allow, "Effect": "Deny"}
    invoke = {**allow, "Action": "lambda:InvokeFunction"}
    only_open = {**allow, "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}}

    def status(keys):
        return send_signed(server, "lambda", path, "POST", b"1", keys=keys).status

    assert status(make_role(server, allow)[0]) == 200
    for statement in (invoke, only_open):
        assert status(make_role(server, statement)[0]) == 403
    nothing, role = make_role(server)
    denied, denied_role = make_role(server, deny)
    assert status(nothing) == 403
    for i, principal in enumerate([role, denied_role]):
        lam.add_permission(FunctionName=name, StatementId=f"r{i}", Principal=principal,
                           Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM")
    assert status(nothing) == 200  # the function's own policy lets it in
    assert status(denied) == 403   # an explicit denial wins


# ── browsers ──

CORS = {"AllowOrigins": ["https://*.example.com", "http://localhost:3000"],
        "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["x-a", "x-b"], "AllowCredentials": True,
        "ExposeHeaders": ["x-mine"], "MaxAge": 300}


def test_cors(server):
    name = make_python(server, EVENTS)
    path = at(make_url(server, name, Cors=CORS))
    ask = {"Origin": "https://a.example.com", "Access-Control-Request-Method": "PUT"}
    reply = send(server, path, "OPTIONS", headers=ask)
    assert reply.status == 200 and reply.body == b"" and "x-mine" not in reply.headers
    assert reply.headers["access-control-allow-origin"] == "https://a.example.com"
    assert reply.headers["access-control-allow-methods"] == "GET,PUT"
    assert reply.headers["access-control-allow-headers"] == "x-a,x-b"
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["access-control-max-age"] == "300"
    stranger = send(server, path, "OPTIONS", headers={**ask, "Origin": "https://evil.example"})
    assert not [h for h in stranger.headers if h.startswith("access-control")]
    real = send(server, path, headers={"Origin": "http://localhost:3000"})
    assert real.status == 201
    assert real.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert real.headers["access-control-expose-headers"] == "x-mine"
    plain = send(server, path)
    assert plain.status == 201 and "access-control-allow-origin" not in plain.headers
    failed = send(server, path.rstrip("/") + "/raise", headers={"Origin": "http://localhost:3000"})
    assert failed.status == 502
    assert failed.headers["access-control-allow-origin"] == "http://localhost:3000"


def test_without_cors_the_function_decides(server, events):
    reply = send(server, at(events[1]), "OPTIONS", headers={
        "Origin": "https://a.example", "Access-Control-Request-Method": "PUT"})
    assert reply.status == 201 and reply.headers["access-control-allow-origin"] == "me"


# ── models ──

def test_a_model_is_given_the_body(server, echo):
    assert send(server, at(echo[1]), "POST", b"\x89PNG\0\xff",
                {"Content-Type": "image/png"}).body == b"\x89PNG\0\xff"
    event = json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]})
    assert send(server, at(echo[1]), "POST", event.encode()).status == 403


def test_curl(server, events):
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    name, identifier = events
    for url in (server.url + at(identifier, "/x"),
                f"http://{identifier}.lambda-url.us-east-1.localhost:{server.port}/x"):
        done = subprocess.run(["curl", "-sS", "--resolve", f"*:{server.port}:127.0.0.1", url],
                              capture_output=True, check=True)
        assert json.loads(done.stdout)["rawPath"] == "/x"
