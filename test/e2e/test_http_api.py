# SPDX-License-Identifier: Apache-2.0
"""HTTP APIs: made and changed through boto3's apigatewayv2, called with plain HTTP."""
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from http_support import make_function, make_python, make_role, send, send_signed

EVENTS = """
import json
import time

def handler(event, context):
    path = event.get("rawPath") or event["path"]
    if path.endswith("/raise"):
        raise ValueError("as asked")
    if path.endswith("/malformed"):
        return {"statusCode": "never"}
    if path.endswith("/plain"):
        return {"plain": True}
    if path.endswith("/slow"):
        time.sleep(1)
    return {"statusCode": 200, "headers": {"X-Mine": "yes"}, "multiValueHeaders": {"X-Two": ["1", "2"]},
            "cookies": ["a=1"], "body": json.dumps(event)}
"""


def fails(call, **arguments):
    with pytest.raises(ClientError) as info:
        call(**arguments)
    response = info.value.response
    return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"],
            response["Error"]["Message"])


def arn_of(name):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}"


class Api:
    """An API of a random name; its function lets it in unless told otherwise."""

    def __init__(self, server, function, public=True, **more):
        self.server, self.function = server, function
        self.client = server.client("apigatewayv2")
        self.id = self.client.create_api(Name="api-" + uuid.uuid4().hex[:8], ProtocolType="HTTP",
                                         **more)["ApiId"]
        if public:
            server.client("lambda").add_permission(
                FunctionName=function, StatementId="api-" + self.id, Principal="apigateway.amazonaws.com",
                Action="lambda:InvokeFunction",
                SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{self.id}/*")

    def stage(self, name="$default", **more):
        self.client.create_stage(ApiId=self.id, StageName=name, AutoDeploy=True, **more)
        return self

    def integration(self, version="2.0", **more):
        return self.client.create_integration(
            ApiId=self.id, IntegrationType="AWS_PROXY", IntegrationUri=arn_of(self.function),
            PayloadFormatVersion=version, **more)["IntegrationId"]

    def route(self, key, integration, **more):
        return self.client.create_route(ApiId=self.id, RouteKey=key,
                                        Target="integrations/" + integration, **more)["RouteId"]

    def send(self, path, method="GET", body=None, headers=None):
        host = f"{self.id}.execute-api.us-east-1.localhost:{self.server.port}"
        return send(self.server, path, method, body, headers, host)

    def send_signed(self, path, **more):
        host = f"{self.id}.execute-api.us-east-1.localhost:{self.server.port}"
        return send_signed(self.server, "execute-api", path, host=host, **more)


@pytest.fixture(scope="module")
def events(server):
    return make_python(server, EVENTS)


@pytest.fixture(scope="module")
def echo(server):
    return make_function(server)


# ── the control plane ──

def test_life_of_an_api(server, echo):
    client = server.client("apigatewayv2")
    made = client.create_api(Name="pets", ProtocolType="HTTP", Description="d", Version="1",
                             Tags={"a": "b"}, CorsConfiguration={"AllowOrigins": ["*"], "MaxAge": 5})
    identifier = made["ApiId"]
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201 and len(identifier) == 10
    assert made["ApiEndpoint"] == (
        f"http://{identifier}.execute-api.us-east-1.localhost:{server.port}")
    assert made["CorsConfiguration"] == {"AllowOrigins": ["*"], "MaxAge": 5}
    got = client.get_api(ApiId=identifier)
    assert got["Name"] == "pets" and got["Tags"] == {"a": "b"} and got["CreatedDate"]
    assert identifier in [one["ApiId"] for one in client.get_apis()["Items"]]
    changed = client.update_api(ApiId=identifier, Name="cats")
    assert changed["Name"] == "cats" and changed["Description"] == "d"
    client.delete_cors_configuration(ApiId=identifier)
    assert "CorsConfiguration" not in client.get_api(ApiId=identifier)
    arn = f"arn:aws:apigateway:us-east-1::/apis/{identifier}"
    client.tag_resource(ResourceArn=arn, Tags={"c": "d"})
    client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    assert client.get_tags(ResourceArn=arn)["Tags"] == {"c": "d"}

    integration = client.create_integration(
        ApiId=identifier, IntegrationType="AWS_PROXY", PayloadFormatVersion="2.0",
        IntegrationUri="arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
                       f"{arn_of(echo)}/invocations")
    assert integration["TimeoutInMillis"] == 30000 and integration["ConnectionType"] == "INTERNET"
    target = "integrations/" + integration["IntegrationId"]
    route = client.create_route(ApiId=identifier, RouteKey="GET /x", Target=target)
    assert route["AuthorizationType"] == "NONE" and route["ApiKeyRequired"] is False
    route = client.update_route(ApiId=identifier, RouteId=route["RouteId"], RouteKey="GET /y")
    assert route["RouteKey"] == "GET /y" and route["Target"] == target
    stage = client.create_stage(ApiId=identifier, StageName="dev", StageVariables={"v": "1"})
    assert stage["StageVariables"] == {"v": "1"} and stage["AutoDeploy"] is False
    deployment = client.create_deployment(ApiId=identifier, StageName="dev", Description="first")
    assert deployment["DeploymentStatus"] == "DEPLOYED"
    shown = client.get_stage(ApiId=identifier, StageName="dev")
    assert shown["DeploymentId"] == deployment["DeploymentId"]
    assert client.update_stage(ApiId=identifier, StageName="dev",
                               Description="s")["StageVariables"] == {"v": "1"}
    assert [len(items) for items in (client.get_integrations(ApiId=identifier)["Items"],
                                     client.get_routes(ApiId=identifier)["Items"],
                                     client.get_stages(ApiId=identifier)["Items"],
                                     client.get_deployments(ApiId=identifier)["Items"])] == [1] * 4
    assert client.get_route(ApiId=identifier, RouteId=route["RouteId"])["RouteKey"] == "GET /y"
    code, status, message = fails(client.delete_integration, ApiId=identifier,
                                  IntegrationId=integration["IntegrationId"])
    assert (code, status) == ("ConflictException", 409) and "referenced by Route" in message
    client.delete_route(ApiId=identifier, RouteId=route["RouteId"])
    client.delete_integration(ApiId=identifier, IntegrationId=integration["IntegrationId"])
    client.delete_stage(ApiId=identifier, StageName="dev")
    client.delete_api(ApiId=identifier)
    assert fails(client.get_api, ApiId=identifier)[:2] == ("NotFoundException", 404)


def test_pages(server, echo):
    api = Api(server, echo, public=False)
    integration = api.integration()
    for i in range(5):
        api.route(f"GET /{i}", integration)
    first = api.client.get_routes(ApiId=api.id, MaxResults="2")
    second = api.client.get_routes(ApiId=api.id, MaxResults="9", NextToken=first["NextToken"])
    assert len(first["Items"]) == 2 and len(second["Items"]) == 3 and "NextToken" not in second
    keys = {route["RouteKey"] for route in first["Items"] + second["Items"]}
    assert keys == {f"GET /{i}" for i in range(5)}
    assert fails(api.client.get_routes, ApiId=api.id, MaxResults="none")[:2] == (
        "BadRequestException", 400)


def test_what_is_refused(server, echo):
    client = server.client("apigatewayv2", parameter_validation=False)
    api = Api(server, echo, public=False)
    lam = {"ApiId": api.id, "IntegrationType": "AWS_PROXY", "PayloadFormatVersion": "2.0",
           "IntegrationUri": arn_of(echo)}
    target = "integrations/" + api.integration()
    api.route("GET /taken", target.split("/")[1])
    api.stage("dev")
    route = {"ApiId": api.id, "RouteKey": "GET /x"}
    for call, arguments, words in [
            (client.create_api, {"Name": "x"}, "name and protocolType"),
            (client.create_api, {"Name": "x", "ProtocolType": "WEBSOCKET"}, "only HTTP is served"),
            (client.create_api, {"Name": "x" * 129, "ProtocolType": "HTTP"}, "name: must be"),
            (client.create_api, {"Name": "x", "ProtocolType": "HTTP",
                                 "CorsConfiguration": {"MaxAge": 86401}}, "corsConfiguration.MaxAge"),
            (client.create_api, {"Name": "x", "ProtocolType": "HTTP",
                                 "Target": "https://example.org"}, "not the ARN of a Lambda function"),
            (client.create_integration, {**lam, "IntegrationType": "HTTP_PROXY"}, "only AWS_PROXY"),
            (client.create_integration, {**lam, "IntegrationUri": "f"}, "\"f\" is not the ARN"),
            (client.create_integration, {**lam, "PayloadFormatVersion": "3.0"}, "payloadFormatVersion"),
            (client.create_integration, {**lam, "TimeoutInMillis": 49}, "integer from 50 to 30000"),
            (client.create_integration, {**lam, "CredentialsArn": "x"}, "not the ARN of a role"),
            (client.create_integration, {**lam, "ConnectionType": "VPC_LINK"}, "only INTERNET"),
            (client.create_integration, {**lam, "RequestParameters": {"a": "b"}},
             "requestParameters is not served here"),
            (client.create_route, {**route, "RouteKey": "FETCH /x"}, "\"FETCH\" is none of"),
            (client.create_route, {**route, "AuthorizationType": "JWT"}, "only NONE and AWS_IAM"),
            (client.create_route, {**route, "AuthorizerId": "a"}, "authorizerId is not served"),
            (client.create_route, {**route, "ApiKeyRequired": True}, "no API keys"),
            (client.create_route, {**route, "Target": "x"}, "target: must be integrations/"),
            (client.create_stage, {"ApiId": api.id, "StageName": "a b"}, "neither $default"),
            (client.create_stage, {"ApiId": api.id, "StageName": "x", "StageVariables": {"a": 1}},
             "stageVariables.a: must be a string")]:
        code, status, message = fails(call, **arguments)
        assert (code, status) == ("BadRequestException", 400) and words in message, message
    for call, arguments in [
            (client.create_route, {**route, "RouteKey": "GET /taken", "Target": target}),
            (client.create_stage, {"ApiId": api.id, "StageName": "dev"})]:
        assert fails(call, **arguments)[:2] == ("ConflictException", 409)
    for call, arguments in [
            (client.create_route, {**route, "Target": "integrations/none"}),
            (client.get_route, {"ApiId": api.id, "RouteId": "none"}),
            (client.update_stage, {"ApiId": api.id, "StageName": "none"}),
            (client.delete_integration, {"ApiId": api.id, "IntegrationId": "none"}),
            (client.create_route, {**route, "ApiId": "none"}),
            (client.delete_api, {"ApiId": "none"})]:
        assert fails(call, **arguments)[:2] == ("NotFoundException", 404)
    assert fails(client.create_authorizer, ApiId=api.id, AuthorizerType="JWT", Name="x",
                 IdentitySource=["$request.header.a"])[1] == 501
    bad = send_signed(server, "apigateway", "/v2/apis", "POST", b"{")
    assert bad.status == 400 and "Invalid request body" in bad.json["message"]
    assert send_signed(server, "apigateway", "/v2/apis", "PUT", b"{}").status == 405
    assert send(server, "/v2/apis").status == 403


def test_rights_at_the_control_plane(server, echo):
    may_read = {"Effect": "Allow", "Action": "apigateway:GET",
                "Resource": "arn:aws:apigateway:us-east-1::/apis*"}
    reader, _ = make_role(server, may_read)
    api = Api(server, echo, public=False)

    def status(method, path, body=b"", keys=reader):
        return send_signed(server, "apigateway", path, method, body, keys=keys).status

    assert status("GET", f"/v2/apis/{api.id}") == 200
    assert status("DELETE", f"/v2/apis/{api.id}") == 403
    assert status("POST", "/v2/apis", b'{"name":"x","protocolType":"HTTP"}') == 403
    writer, _ = make_role(server, {"Effect": "Allow", "Action": "apigateway:*", "Resource": "*"})
    document = {"integrationType": "AWS_PROXY", "payloadFormatVersion": "2.0",
                "integrationUri": arn_of(echo),
                "credentialsArn": "arn:aws:iam::000000000000:role/mighty"}
    path = f"/v2/apis/{api.id}/integrations"
    assert status("POST", path, json.dumps(document).encode(), writer) == 403  # no iam:PassRole
    del document["credentialsArn"]
    assert status("POST", path, json.dumps(document).encode(), writer) == 201


def test_apis_outlive_a_kill(rouse):
    name = make_function(rouse)
    api = Api(rouse, name).stage("dev", StageVariables={"v": "1"})
    api.route("POST /x", api.integration())
    gone = Api(rouse, name, public=False)
    gone.client.delete_api(ApiId=gone.id)
    rouse.kill()
    rouse.start()
    assert api.send("/dev/x", "POST", b'"here"').text == "here"
    assert [one["ApiId"] for one in rouse.client("apigatewayv2").get_apis()["Items"]] == [api.id]


# ── requests ──

def test_quick_create(server, events):
    api = Api(server, events, Target=arn_of(events))
    event = api.send("/any/thing", "PUT", b"x").json
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/any/thing" and event["requestContext"]["apiId"] == api.id


def test_routes_and_stages(server, events):
    api = Api(server, events).stage().stage("dev", StageVariables={"table": "pets"})
    integration = api.integration()
    for key in ["GET /pets", "GET /pets/{id}", "GET /pets/dog", "ANY /files/{path+}"]:
        api.route(key, integration)

    def seen(path, method="GET"):
        reply = api.send(path, method)
        if reply.status != 200:
            return reply.status, reply.text
        event = reply.json
        return event["routeKey"], event.get("pathParameters")

    assert seen("/pets") == ("GET /pets", None)
    assert seen("/pets/7") == ("GET /pets/{id}", {"id": "7"})
    assert seen("/pets/a%20b%2Bc") == ("GET /pets/{id}", {"id": "a b+c"})
    assert seen("/pets/dog") == ("GET /pets/dog", None)
    assert seen("/files/a/b.txt", "DELETE") == ("ANY /files/{path+}", {"path": "a/b.txt"})
    assert seen("/pets", "POST") == (404, '{"message":"Not Found"}')
    assert seen("/none") == (404, '{"message":"Not Found"}')
    assert seen("/dev/pets/7") == ("GET /pets/{id}", {"id": "7"})
    event = api.send("/dev/pets/a%20b?q=%31").json
    assert event["rawPath"] == "/dev/pets/a b" and event["rawQueryString"] == "q=%31"
    assert event["stageVariables"] == {"table": "pets"}
    assert event["requestContext"]["stage"] == "dev"
    assert event["requestContext"]["http"]["path"] == "/dev/pets/a b"
    assert event["requestContext"]["accountId"] == "000000000000"
    api.client.create_route(ApiId=api.id, RouteKey="GET /nowhere")  # without a target
    assert seen("/nowhere")[0] == 404


def test_path_forms(server, events):
    api = Api(server, events).stage().stage("dev")
    api.route("GET /pets/{id}", api.integration())
    for path, stage in [(f"/_aws/execute-api/{api.id}/dev/pets/7", "dev"),
                        (f"/_aws/execute-api/{api.id}/$default/pets/7", "$default"),
                        (f"/_aws/execute-api/{api.id}/%24default/pets/7", "$default"),
                        (f"/_aws/execute-api/{api.id}/pets/7", "$default"),
                        (f"/restapis/{api.id}/dev/_user_request_/pets/7", "dev")]:
        event = send(server, path).json
        assert event["pathParameters"] == {"id": "7"}
        assert event["requestContext"]["stage"] == stage
        assert event["requestContext"]["domainPrefix"] == api.id
    assert send(server, f"/_aws/execute-api/{api.id}").status == 404
    assert send(server, "/_aws/execute-api/0000000000/x").json == {"message": "Forbidden"}
    assert send(server, "/restapis/b/c").status == 403  # that is a bucket
    api.client.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert api.send("/pets/7").status == 404


def test_answers(server, events):
    api = Api(server, events).stage()
    api.route("$default", api.integration())
    reply = api.send("/x")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.cookies == ["a=1"] and reply.headers["x-mine"] == "yes"
    assert "x-two" not in reply.headers and reply.headers["apigw-requestid"]
    assert api.send("/plain").json == {"plain": True}
    for path in ("/raise", "/malformed"):
        reply = api.send(path)
        assert (reply.status, reply.json) == (500, {"message": "Internal Server Error"})
    large = api.send("/", "POST", b"x" * (6 * 1024 * 1024 + 1))
    assert (large.status, large.json) == (413, {"message": "Request Entity Too Large"})


def test_payload_1(server, events):
    api = Api(server, events).stage("dev", StageVariables={"v": "1"})
    api.route("POST /pets/{id}", api.integration("1.0"))
    api.route("GET /{proxy+}", api.integration("1.0"))
    reply = api.send("/dev/pets/7?a=1&a=2", "POST", b"f=1", [
        ("Content-Type", "application/x-www-form-urlencoded"), ("X-A", "1"), ("X-A", "2")])
    assert reply.status == 200 and reply.headers["content-type"] == "application/json"
    assert reply.cookies == [] and reply.headers["x-two"] == "2"  # the last of two
    event = reply.json
    assert event["version"] == "1.0" and event["resource"] == "/pets/{id}"
    assert event["path"] == "/pets/7" and event["httpMethod"] == "POST"
    assert event["requestContext"]["path"] == "/dev/pets/7"
    assert event["requestContext"]["resourcePath"] == "/pets/{id}"
    assert event["headers"]["X-A"] == "2" and event["multiValueHeaders"]["X-A"] == ["1", "2"]
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["pathParameters"] == {"id": "7"} and event["stageVariables"] == {"v": "1"}
    assert event["body"] == "f=1" and event["isBase64Encoded"] is False
    for path in ("/dev/raise", "/dev/malformed", "/dev/plain"):
        reply = api.send(path)
        assert (reply.status, reply.json) == (502, {"message": "Internal server error"})


def test_integrations_that_do_not_wait(server):
    name = make_python(server, EVENTS)
    api = Api(server, name).stage()
    api.route("GET /a/{x}", api.integration(TimeoutInMillis=50))
    api.route("GET /b/{x}", api.integration("1.0", TimeoutInMillis=50))
    reply = api.send("/a/slow")
    assert (reply.status, reply.json) == (503, {"message": "Service Unavailable"})
    reply = api.send("/b/slow")
    assert (reply.status, reply.json) == (504, {"message": "Endpoint request timed out"})


def test_throttled(server):
    name = make_function(server)
    api = Api(server, name).stage()
    api.route("$default", api.integration())
    server.client("lambda").put_function_concurrency(FunctionName=name,
                                                     ReservedConcurrentExecutions=0)
    reply = api.send("/")
    assert (reply.status, reply.json) == (429, {"message": "Too Many Requests"})
    assert reply.headers["retry-after"] == "1"


def test_models_behind_apis(server, echo):
    for version in ("1.0", "2.0"):
        api = Api(server, echo).stage()
        api.route("POST /classify", api.integration(version))
        assert api.send("/classify", "POST", b'[{"label": "cat"}]').json == [{"label": "cat"}]
        server.client("lambda").remove_permission(FunctionName=echo, StatementId="api-" + api.id)


# ── who may ──

def test_functions_have_to_let_apis_in(server):
    name = make_function(server)
    lam = server.client("lambda")
    api = Api(server, name, public=False).stage("dev")
    api.route("POST /a/{x}", api.integration())

    def status():
        return api.send("/dev/a/1", "POST", b"1").status

    def let(statement, source):
        lam.add_permission(FunctionName=name, StatementId=statement, Action="lambda:InvokeFunction",
                           Principal="apigateway.amazonaws.com",
                           SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{source}")

    assert status() == 500
    for i, source in enumerate([f"{api.id}/prod/*", "other/*", f"{api.id}/*/GET/a/*"]):
        let(f"wrong{i}", source)
        assert status() == 500
    let("right", api.id + "/dev/POST/a/{x}")
    assert status() == 200
    lam.delete_function(FunctionName=name)
    assert status() == 500


def test_roles_of_integrations(server):
    name = make_function(server)
    allow = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn_of(name)}
    _, able = make_role(server, allow)
    _, unable = make_role(server)
    api = Api(server, name, public=False).stage()
    api.route("POST /able", api.integration(CredentialsArn=able))
    api.route("POST /unable", api.integration(CredentialsArn=unable))
    assert api.send("/able", "POST", b"1").status == 200
    assert api.send("/unable", "POST", b"1").status == 500


def test_signed_routes(server, events):
    api = Api(server, events).stage("dev")
    api.route("GET /private/{x}", api.integration(), AuthorizationType="AWS_IAM")
    api.route("GET /old", api.integration("1.0"), AuthorizationType="AWS_IAM")
    for reply in (api.send("/dev/private/1"),
                  api.send_signed("/dev/private/1", keys=(server.access_key, "x" * 40, None)),
                  send_signed(server, "lambda", f"/_aws/execute-api/{api.id}/dev/private/1")):
        assert (reply.status, reply.json) == (403, {"message": "Forbidden"})
    iam = api.send_signed("/dev/private/1").json["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == "arn:aws:iam::000000000000:root"
    identity = api.send_signed("/dev/old").json["requestContext"]["identity"]
    assert identity["userArn"] == iam["userArn"] and identity["accessKey"] == server.access_key

    allow = {"Effect": "Allow", "Action": "execute-api:Invoke",
             "Resource": f"arn:aws:execute-api:us-east-1:000000000000:{api.id}/dev/GET/private/1"}
    keys, _ = make_role(server, allow)
    assert api.send_signed("/dev/private/1", keys=keys).status == 200
    assert api.send_signed("/dev/private/2", keys=keys).status == 403


# ── browsers ──

def test_cors(server, events):
    api = Api(server, events, CorsConfiguration={
        "AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "AllowHeaders": ["*"]}).stage()
    api.route("GET /x", api.integration())
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET",
           "Access-Control-Request-Headers": "x-one,x-two"}
    reply = api.send("/x", "OPTIONS", headers=ask)
    assert reply.status == 204 and reply.body == b""
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
    assert reply.headers["access-control-allow-headers"] == "x-one,x-two"
    other = api.send("/x", "OPTIONS", headers={**ask, "Origin": "https://b.example"})
    assert other.status == 204 and "access-control-allow-origin" not in other.headers
    for path, status in (("/x", 200), ("/none", 404)):
        reply = api.send(path, headers={"Origin": "https://a.example"})
        assert reply.status == status
        assert reply.headers["access-control-allow-origin"] == "https://a.example"
