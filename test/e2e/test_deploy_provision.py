# SPDX-License-Identifier: Apache-2.0
"""provisionedConcurrency of serverless.yml: the version, the alias and its instances, and that whatever
rouses the function goes there; changed, taken away, removed."""
import json
import uuid

import pytest

from http_support import send
from runtime_support import wait_for
from test_cli import FUNCTION, INVALID, Cli, edit
from test_lambda import fails

HANDLER = """
import json, os
def handler(event, context):
    told = {"arn": context.invoked_function_arn, "version": context.function_version,
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]}
    return {"statusCode": 200, "body": json.dumps(told), **told}
"""

PROJECT = """
service: {name}
provider: {{name: aws, runtime: python3.11}}
functions:
  one:
    handler: h.handler
    reservedConcurrency: 4
    provisionedConcurrency: 2
    url: true
    destinations: {{onSuccess: "arn:aws:s3:::{name}-out"}}
    events:
      - s3: {name}-in
      - httpApi: GET /pets
      - schedule: {{rate: rate(1 day), enabled: false}}
      - schedule: {{rate: rate(1 day), method: scheduler, name: {name}-beat, enabled: false}}
      - eventBridge: {{pattern: {{source: ["{name}"]}}}}
"""


@pytest.fixture
def project(server, tmp_path):
    cli = Cli(server, tmp_path)
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.full = f"{cli.name}-dev-one"
    cli.write("serverless.yml", PROJECT.format(name=cli.name))
    cli.write("h.py", HANDLER)
    yield cli
    cli("remove")


def aims(server, name, full):
    """The ARNs that the notification, rules, schedule and integrations go to."""
    s3, events = server.client("s3"), server.client("events")
    bucket = s3.get_bucket_notification_configuration(Bucket=f"{name}-in")
    found = {one["LambdaFunctionArn"] for one in bucket["LambdaFunctionConfigurations"]}
    for rule in events.list_rules(NamePrefix=full)["Rules"]:
        found |= {one["Arn"] for one in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]}
    found.add(server.client("scheduler").get_schedule(Name=f"{name}-beat")["Target"]["Arn"])
    gateway = server.client("apigatewayv2")
    [api] = [one for one in gateway.get_apis()["Items"] if one["Name"].endswith(name)]
    return found | {one["IntegrationUri"]
                    for one in gateway.get_integrations(ApiId=api["ApiId"])["Items"]}


def fetch(server, url):
    host, _, path = url.split("//")[1].partition("/")
    return send(server, "/" + path, "GET", None, None, host)


def records(server, name):
    s3 = server.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=f"{name}-out").get("Contents", [])]
    return [json.loads(s3.get_object(Bucket=f"{name}-out", Key=k)["Body"].read()) for k in keys]


def test_life(server, project):
    lam, s3 = server.client("lambda"), server.client("s3")
    of = {"FunctionName": project.full}
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{project.full}"
    alias = f"{arn}:provisioned"
    project("deploy")
    config = lam.get_provisioned_concurrency_config(**of, Qualifier="provisioned")
    assert (config["Status"], config["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    assert lam.get_alias(**of, Name="provisioned")["FunctionVersion"] == "1"
    assert aims(server, project.name, project.full) == {alias}
    assert "    provisioned: 2 of 2 instances ready\n" in project("info").out
    one = project.json("info")["functions"]["one"]
    assert one["provisionedConcurrency"] == {"requested": 2, "available": 2, "status": "READY"}

    # the first call of each kind finds an instance that waits
    got = lam.invoke(**of, Qualifier="provisioned", Payload="{}")
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"] == "hot"
    warm = {"arn": alias, "version": "1", "type": "provisioned-concurrency"}
    s3.put_object(Bucket=f"{project.name}-in", Key="k", Body=b"1")
    server.client("events").put_events(
        Entries=[{"Source": project.name, "DetailType": "t", "Detail": "{}"}])
    wait_for(lambda: len(records(server, project.name)) >= 2)
    for record in records(server, project.name):
        assert json.loads(record["responsePayload"]["body"]) == warm
        assert record["requestContext"]["functionArn"] == alias
    endpoints = [one["url"] for one in project.json("info")["endpoints"]]
    assert len(endpoints) == 2
    for url in endpoints:
        assert fetch(server, url).json == warm
    # without a qualifier it is the function that is invoked
    assert json.loads(project("invoke", "-f", "one").out)["arn"] == arn

    assert project.json("deploy")["changed"] is False
    edit(project, "provisionedConcurrency: 2", "provisionedConcurrency: 1")  # both lower
    edit(project, "reservedConcurrency: 4", "reservedConcurrency: 1")
    project("deploy")
    assert lam.get_alias(**of, Name="provisioned")["FunctionVersion"] == "1"
    project.write("h.py", HANDLER + "# 2\n")
    project("deploy", "function", "-f", "one")  # the function alone: the alias stays where it is
    assert lam.get_alias(**of, Name="provisioned")["FunctionVersion"] == "1"
    said = project("deploy", "--verbose").err
    assert f"set alias {project.full}:provisioned to version 2\n" in said
    config = lam.get_provisioned_concurrency_config(**of, Qualifier="provisioned")
    assert (config["Status"], config["RequestedProvisionedConcurrentExecutions"]) == ("READY", 1)
    assert project.json("deploy")["changed"] is False

    edit(project, "    provisionedConcurrency: 1\n", "")
    project("deploy")
    assert fails(lam.get_alias, **of, Name="provisioned")[0] == "ResourceNotFoundException"
    assert lam.list_provisioned_concurrency_configs(**of)["ProvisionedConcurrencyConfigs"] == []
    assert aims(server, project.name, project.full) == {arn}
    for url in [one["url"] for one in project.json("info")["endpoints"]]:
        assert fetch(server, url).json["arn"] == arn
    [kept] = lam.list_function_event_invoke_configs(**of)["FunctionEventInvokeConfigs"]
    assert kept["FunctionArn"] == f"{arn}:$LATEST"
    assert project.json("deploy")["changed"] is False

    project("remove")
    assert fails(lam.get_function, **of)[0] == "ResourceNotFoundException"


def test_what_does_not_start_is_told_and_can_be_taken_back(server, project):
    lam = server.client("lambda")
    project.write("h.py", "raise RuntimeError('no')\n")
    said = project("deploy", status=FUNCTION).err
    assert "functions.one: provisionedConcurrency: " in said
    edit(project, "    provisionedConcurrency: 2\n", "")
    project("deploy")
    assert lam.list_aliases(FunctionName=project.full)["Aliases"] == []


def test_an_alias_of_somebody_else_stays(server, project):
    lam = server.client("lambda")
    edit(project, "    provisionedConcurrency: 2\n", "")
    project("deploy")
    lam.create_alias(FunctionName=project.full, Name="provisioned", FunctionVersion="$LATEST")
    assert project.json("deploy")["changed"] is False
    assert len(lam.list_aliases(FunctionName=project.full)["Aliases"]) == 1


@pytest.mark.parametrize("said, words", [
    ("-1", "8:29: functions.one.provisionedConcurrency: -1 is not between 0 and 900"),
    ("two", "8:29: functions.one.provisionedConcurrency: must be a whole number"),
    ("901", "8:29: functions.one.provisionedConcurrency: 901 is not between 0 and 900"),
    ("5", "8:29: functions.one.provisionedConcurrency: 5 is more than its reservedConcurrency, 4"),
])
def test_nonsense_is_told_with_its_place(project, said, words):
    edit(project, "provisionedConcurrency: 2", f"provisionedConcurrency: {said}")
    assert words in project("deploy", status=INVALID).err
    edit(project, f"provisionedConcurrency: {said}", "provisionedConcurrency: 2")
