# SPDX-License-Identifier: Apache-2.0
"""rouse deploy with http and httpApi events and function URLs: what is there afterwards, what a second
deployment changes, and what is left when it goes."""
import json
import uuid

import pytest
from botocore.exceptions import ClientError

from http_support import make_role, send, send_signed
from test_cli import INVALID, Cli

HANDLER = """
import json

def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"},
            "body": json.dumps({"name": context.function_name, "event": event})}
"""

HEAD = "service: {name}\nprovider:\n  name: aws\n  runtime: python3.11\n"


@pytest.fixture
def project(server, tmp_path):
    cli = Cli(server, tmp_path)
    cli.name = "web-" + uuid.uuid4().hex[:8]
    cli.write("h.py", HANDLER)

    def service(functions, provider=""):
        cli.write("serverless.yml", HEAD.format(name=cli.name) + provider + "functions:\n" + functions)

    cli.service = service
    yield cli
    cli("remove")


def fetch(server, url, method="GET", body=None, headers=None):
    """By the name in the URL, at the server's own address."""
    host, _, path = url.split("//")[1].partition("/")
    return send(server, "/" + path, method, body, headers, host)


def apis(server, name):
    return [one for one in server.client("apigatewayv2").get_apis()["Items"]
            if one["Tags"].get("rouse:stack") == f"{name}-dev"]


def test_http_api(server, project):
    project.service("""
  one:
    handler: h.handler
    events:
      - httpApi: GET /pets/{id}
      - httpApi: {method: '*', path: /all}
  two:
    handler: h.handler
    events:
      - httpApi: '*'
""", "  httpApi: {cors: true}\n")
    out = project("deploy").out
    [api] = apis(server, project.name)
    base = api["ApiEndpoint"]
    assert api["Name"] == f"dev-{project.name}"
    assert (f"endpoints:\n  GET - {base}/pets/{{id}}\n  ANY - {base}/all\n  * - {base}\n"
            "functions:\n") in out
    assert project("info").out.count(f"  GET - {base}/pets/{{id}}\n") == 1
    reply = fetch(server, base + "/pets/7", headers={"Origin": "http://o"})
    assert reply.json["name"] == f"{project.name}-dev-one"
    assert reply.json["event"]["pathParameters"] == {"id": "7"}
    assert reply.headers["access-control-allow-origin"] == "*"
    assert fetch(server, base + "/all", "PUT").json["name"].endswith("-one")
    assert fetch(server, base + "/else").json["name"].endswith("-two")
    assert "No changes" in project("deploy").out

    # a route goes, another changes its function; the API stays
    project.service("""
  one:
    handler: h.handler
    events:
      - httpApi: GET /pets
  two:
    handler: h.handler
    events:
      - httpApi: GET /pets/{id}
""")
    verbose = project("deploy", "--verbose").err
    for words in ("set route GET /pets\n", "set route GET /pets/{id}\n", "removed route $default\n",
                  "removed route ANY /all\n", f"removed CORS from API dev-{project.name}\n"):
        assert words in verbose
    assert [one["ApiId"] for one in apis(server, project.name)] == [api["ApiId"]]
    assert fetch(server, base + "/pets/7").json["name"].endswith("-two")
    assert fetch(server, base + "/else").status == 404
    assert "No changes" in project("deploy").out

    # none left: the API goes, and what let it in
    project.service("  one: {handler: h.handler}\n  two: {handler: h.handler}\n")
    assert f"removed API dev-{project.name}" in project("deploy", "--verbose").err
    assert apis(server, project.name) == []
    lam = server.client("lambda")
    for function in ("one", "two"):
        with pytest.raises(ClientError):
            lam.get_policy(FunctionName=f"{project.name}-dev-{function}")


def test_rest_api(server, project):
    project.service("""
  one:
    handler: h.handler
    events:
      - http: GET /
      - http: {path: 'users/{id}', method: post, cors: {origin: 'https://a.example', headers: [X-A]}}
""")
    said = project.json("deploy")
    [api] = apis(server, project.name)
    base = api["ApiEndpoint"] + "/dev"
    assert said["endpoints"] == [
        {"function": "one", "method": "GET", "url": base + "/"},
        {"function": "one", "method": "POST", "url": base + "/users/{id}"}]
    event = fetch(server, base + "/users/7", "POST", b"f=1").json["event"]
    assert event["version"] == "1.0" and event["path"] == "/users/7" and event["body"] == "f=1"
    assert event["resource"] == "/users/{id}" and event["requestContext"]["stage"] == "dev"
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    reply = fetch(server, base + "/users/7", "OPTIONS", headers=ask)
    assert reply.status == 204 and reply.headers["access-control-allow-methods"] == "OPTIONS,POST"
    assert fetch(server, base).status == 200
    assert fetch(server, api["ApiEndpoint"] + "/users/7", "POST").status == 404  # no stage


def test_both_and_one_function_alone(server, project):
    both = """
  one:
    handler: h.handler
    events: [http: GET /a, httpApi: GET /a]
  two:
    handler: h.handler
    events: [httpApi: GET /{who}]
"""
    project.service(both.format(who="b"))
    project("deploy")
    assert len(apis(server, project.name)) == 2
    project.service(both.format(who="c"))
    project("deploy", "--function", "two")
    [api] = [one for one in apis(server, project.name) if one["Tags"]["rouse:events"] == "httpApi"]
    keys = {one["RouteKey"] for one in
            server.client("apigatewayv2").get_routes(ApiId=api["ApiId"])["Items"]}
    assert keys == {"GET /a", "GET /b", "GET /c"}  # what is no longer wanted waits for a whole one
    project("deploy")
    assert fetch(server, api["ApiEndpoint"] + "/b").status == 404


def test_signed_and_closed_routes(server, project):
    project.service("""
  one:
    handler: h.handler
    events:
      - httpApi: {method: get, path: /signed, authorizer: {type: aws_iam}}
      - httpApi: {method: get, path: /jwt, authorizer: mine}
      - http: {method: get, path: /key, private: true}
""")
    err = project("deploy").err
    assert err.count("authorizer (line") == 1 and err.count("private (line") == 1
    for api in apis(server, project.name):
        host = api["ApiEndpoint"].split("//")[1]
        paths = (["/dev/key"] if api["Tags"]["rouse:events"] == "http" else ["/signed", "/jwt"])
        for path in paths:
            assert send(server, path, host=host).json == {"message": "Forbidden"}
            assert send_signed(server, "execute-api", path, host=host).status == 200


def test_function_urls(server, project):
    project.service("  one: {handler: h.handler, url: true}\n")
    out = project("deploy").out
    lam = server.client("lambda")
    name = f"{project.name}-dev-one"
    url = lam.get_function_url_config(FunctionName=name)["FunctionUrl"]
    assert f"\nendpoint: {url}\nfunctions:\n" in out
    assert fetch(server, url + "x").json["event"]["rawPath"] == "/x"
    assert "No changes" in project("deploy").out
    assert f"endpoint: {url}\n" in project("info").out

    project.service("""
  one:
    handler: h.handler
    url: {authorizer: aws_iam, invokeMode: RESPONSE_STREAM, cors: {allowedOrigins: ['https://a.example']}}
  two:
    handler: h.handler
    url: true
""")
    out = project("deploy").out
    config = lam.get_function_url_config(FunctionName=name)
    assert config["FunctionUrl"] == url and config["AuthType"] == "AWS_IAM"
    assert config["InvokeMode"] == "RESPONSE_STREAM"
    assert config["Cors"]["AllowOrigins"] == ["https://a.example"]
    assert f"endpoints:\n  one: {url}\n  two: " in out
    assert fetch(server, url).status == 403
    with pytest.raises(ClientError):  # the public permission is gone
        lam.get_policy(FunctionName=name)
    assert "No changes" in project("deploy").out

    # it goes with the key; one that somebody else made stays
    lam.delete_function_url_config(FunctionName=f"{project.name}-dev-two")
    project.service("  one: {handler: h.handler}\n  two: {handler: h.handler}\n")
    lam.create_function_url_config(FunctionName=f"{project.name}-dev-two", AuthType="AWS_IAM")
    project("deploy")
    with pytest.raises(ClientError):
        lam.get_function_url_config(FunctionName=name)


def test_url_of_somebody_else_stays(server, project):
    project.service("  one: {handler: h.handler}\n")
    project("deploy")
    lam = server.client("lambda")
    name = f"{project.name}-dev-one"
    lam.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    project("deploy", "--force")
    assert lam.get_function_url_config(FunctionName=name)["AuthType"] == "AWS_IAM"


def test_remove(server, project):
    project.service("""
  one:
    handler: h.handler
    url: true
    events: [http: GET /a, httpApi: GET /a]
""")
    project("deploy")
    assert len(apis(server, project.name)) == 2
    project("remove")
    assert apis(server, project.name) == []
    assert project.json("info")["endpoints"] == []


def test_what_is_no_route(project):
    project.service("  one: {handler: h.handler, events: [http: FETCH /x]}\n")
    assert '"FETCH" is none of GET' in project("deploy", status=INVALID).err
    project.service("  one: {handler: h.handler}\n")


def test_rights_of_those_who_deploy(server, project):
    project.service("  one: {handler: h.handler, events: [httpApi: GET /x]}\n")
    keys, _ = make_role(server, {"Effect": "Allow", "NotAction": "apigateway:POST",
                                 "Resource": "*"})
    env = {"AWS_ENDPOINT_URL": server.url, "AWS_ACCESS_KEY_ID": keys[0],
           "AWS_SECRET_ACCESS_KEY": keys[1], "AWS_SESSION_TOKEN": keys[2]}
    said = project("deploy", status=6, env=env).err
    assert "apigateway:POST" in said
    assert json.loads(project("deploy", "--json").out)["endpoints"][0]["method"] == "GET"
