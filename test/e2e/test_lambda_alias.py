# SPDX-License-Identifier: Apache-2.0
"""Aliases: made, moved, weighted and deleted through boto3, and taken wherever a qualifier is. The
function of most tests answers with its own version."""
import collections
import json
import urllib.parse
import uuid

import boto3
import pytest

from conftest import zip_of
from http_support import send
from runtime_support import deploy, wait_for
from test_lambda import arn, fails

CODE = """
def handler(event, context):
    if isinstance(event, dict) and event.get("fail"):
        raise ValueError("as asked")
    return {"version": context.function_version, "arn": context.invoked_function_arn, "event": event}
"""


@pytest.fixture
def lam(server):
    return server.client("lambda")


def publish(lam, name, text):
    """A new version, of code that differs."""
    lam.update_function_code(FunctionName=name, ZipFile=zip_of({"index.py": CODE + "# " + text}))
    lam.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return lam.publish_version(FunctionName=name)["Version"]


@pytest.fixture
def name(server, lam):
    """A function with the versions 1 and 2."""
    made = deploy(server, zip_of({"index.py": CODE}), "python3.11", "index.handler").name
    assert [publish(lam, made, text) for text in ("one", "two")] == ["1", "2"]
    return made


def answer(lam, name, **more):
    got = lam.invoke(FunctionName=name, **more)
    return got["ExecutedVersion"], json.loads(got["Payload"].read())


def test_life(lam, name):
    made = lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="d")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["AliasArn"] == arn(name, "live") and uuid.UUID(made["RevisionId"])
    assert (made["Name"], made["FunctionVersion"], made["Description"]) == ("live", "1", "d")
    assert "RoutingConfig" not in made
    got = lam.get_alias(FunctionName=name, Name="live")
    assert {k: got[k] for k in made if k != "ResponseMetadata"} == {
        k: made[k] for k in made if k != "ResponseMetadata"}
    moved = lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2",
                             RevisionId=made["RevisionId"])
    assert (moved["FunctionVersion"], moved["Description"]) == ("2", "d")
    assert moved["RevisionId"] != made["RevisionId"]
    assert fails(lam.update_alias, FunctionName=name, Name="live", FunctionVersion="1",
                 RevisionId=made["RevisionId"])[:2] == ("PreconditionFailedException", 412)
    lam.create_alias(FunctionName=name, Name="dev", FunctionVersion="$LATEST")
    assert [a["Name"] for a in lam.list_aliases(FunctionName=name)["Aliases"]] == ["dev", "live"]
    assert [a["Name"] for a in lam.list_aliases(FunctionName=name, FunctionVersion="2")[
        "Aliases"]] == ["live"]
    page = lam.list_aliases(FunctionName=name, MaxItems=1)
    assert [a["Name"] for a in page["Aliases"]] == ["dev"]
    page = lam.list_aliases(FunctionName=name, MaxItems=1, Marker=page["NextMarker"])
    assert [a["Name"] for a in page["Aliases"]] == ["live"] and "NextMarker" not in page
    lam.delete_alias(FunctionName=name, Name="live")
    lam.delete_alias(FunctionName=name, Name="live")
    assert fails(lam.get_alias, FunctionName=name, Name="live") == (
        "ResourceNotFoundException", 404, f"Cannot find alias arn: {arn(name, 'live')}")


@pytest.mark.parametrize("more, code, words", [
    ({"Name": "7"}, "ValidationException", "'name'"),
    ({"Name": "a b"}, "ValidationException", "'name'"),
    ({"Name": "x" * 129}, "ValidationException", "'name'"),
    ({"Name": None}, "ValidationException", "'name'"),
    ({"FunctionVersion": "9"}, "ResourceNotFoundException", "Function not found"),
    ({"FunctionVersion": "other"}, "ValidationException", "functionVersion"),
    ({"FunctionVersion": None}, "ValidationException", "functionVersion"),
    ({"Description": "d" * 257}, "ValidationException", "description"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"9": 0.5}}}, "ResourceNotFoundException", ":9"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.5}}}, "ValidationException", "2=1.5"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"2": -0.5}}}, "ValidationException", "2=-0.5"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"$LATEST": 0.5}}}, "ValidationException", "keys"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}}, "InvalidParameterValueException",
     "already included in routing configuration"),
    ({"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.1, "2": 0.1}}},
     "InvalidParameterValueException", "greater than 1"),
    ({"FunctionVersion": "$LATEST", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
     "InvalidParameterValueException", "$LATEST is not supported"),
])
def test_bad_aliases(server, name, more, code, words):
    lam = server.client("lambda", parameter_validation=False)
    asked = {"FunctionName": name, "Name": "live", "FunctionVersion": "1", **more}
    got = fails(lam.create_alias, **{k: v for k, v in asked.items() if v is not None})
    assert got[0] == code and words in got[2]
    assert lam.list_aliases(FunctionName=name)["Aliases"] == []


def test_twice_and_nowhere(lam, name):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert fails(lam.create_alias, FunctionName=name, Name="live", FunctionVersion="2") == (
        "ResourceConflictException", 409, f"Alias already exists: {arn(name, 'live')}")
    for call, more in ((lam.create_alias, {"Name": "x", "FunctionVersion": "1"}),
                       (lam.get_alias, {"Name": "x"}), (lam.list_aliases, {}),
                       (lam.update_alias, {"Name": "x"}), (lam.delete_alias, {"Name": "x"})):
        assert fails(call, FunctionName="nothing", **more)[0] == "ResourceNotFoundException"
    assert fails(lam.update_alias, FunctionName=name, Name="x")[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("form", ["{name}:live", "{arn}:live", "{name}|live", "{arn}|live",
                                  "000000000000:function:{name}:live"])
def test_invoke_by_alias(lam, name, form):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    given, _, qualifier = form.format(name=name, arn=arn(name)).partition("|")
    version, got = answer(lam, given, **({"Qualifier": qualifier} if qualifier else {}))
    assert (version, got["version"], got["arn"]) == ("1", "1", arn(name, "live"))
    lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    assert answer(lam, f"{name}:live")[0] == "2"
    assert fails(lam.invoke, FunctionName=name, Qualifier="none")[2] == (
        f"Function not found: {arn(name, 'none')}")
    assert answer(lam, name)[1]["arn"] == arn(name)
    assert answer(lam, name, Qualifier="$LATEST")[1]["arn"] == arn(name, "$LATEST")


def test_weights(lam, name):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1",
                     RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    got = lam.get_alias(FunctionName=name, Name="live")
    assert got["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.5}}
    seen = collections.Counter(answer(lam, f"{name}:live")[0] for _ in range(60))
    assert set(seen) == {"1", "2"} and min(seen.values()) > 5
    lam.update_alias(FunctionName=name, Name="live",
                     RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    assert {answer(lam, f"{name}:live")[0] for _ in range(10)} == {"2"}
    assert fails(lam.update_alias, FunctionName=name, Name="live", FunctionVersion="2")[0] == (
        "InvalidParameterValueException")  # it would lead there twice
    got = lam.update_alias(FunctionName=name, Name="live", RoutingConfig={})
    assert "RoutingConfig" not in got
    assert {answer(lam, f"{name}:live")[0] for _ in range(10)} == {"1"}


def test_what_a_qualifier_shows(lam, name):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    got = lam.get_function(FunctionName=name, Qualifier="live")["Configuration"]
    assert (got["Version"], got["FunctionArn"]) == ("1", arn(name, "live"))
    got = lam.get_function_configuration(FunctionName=f"{name}:live")
    assert (got["Version"], got["FunctionArn"]) == ("1", arn(name, "live"))
    added = lam.add_permission(FunctionName=name, Qualifier="live", StatementId="s",
                               Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    assert json.loads(added["Statement"])["Resource"] == arn(name, "live")
    assert fails(lam.get_policy, FunctionName=name)[0] == "ResourceNotFoundException"
    assert "live" in lam.get_policy(FunctionName=name, Qualifier="live")["Policy"]
    assert fails(lam.add_permission, FunctionName=name, Qualifier="none", StatementId="s",
                 Action="lambda:InvokeFunction", Principal="*")[0] == "ResourceNotFoundException"
    lam.delete_alias(FunctionName=name, Name="live")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    assert fails(lam.get_policy, FunctionName=name, Qualifier="live")[0] == (
        "ResourceNotFoundException")


def test_deleting_versions(lam, name):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.create_alias(FunctionName=name, Name="canary", FunctionVersion="2",
                     RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}})
    assert fails(lam.delete_function, FunctionName=name, Qualifier="1") == (
        "ResourceConflictException", 409,
        "Unable to delete version because the following aliases reference it: [canary, live]")
    assert fails(lam.delete_function, FunctionName=name, Qualifier="live")[0] == (
        "InvalidParameterValueException")
    lam.delete_alias(FunctionName=name, Name="live")
    lam.delete_alias(FunctionName=name, Name="canary")
    lam.delete_function(FunctionName=name, Qualifier="1")
    lam.delete_function(FunctionName=name, Qualifier="1")  # is gone already
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="2")
    lam.delete_function(FunctionName=name)
    assert fails(lam.get_alias, FunctionName=name, Name="live")[0] == "ResourceNotFoundException"
    assert fails(lam.invoke, FunctionName=name, Qualifier="live")[0] == "ResourceNotFoundException"


def test_roles_may_what_their_statements_say(server, lam, name):
    """Actions have AWS's names; what is asked of a qualifier is asked of the qualified ARN."""
    iam, role = server.client("iam"), "r-" + uuid.uuid4().hex[:8]
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}))
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps({"Statement": [
        {"Effect": "Allow", "Action": ["lambda:GetAlias", "lambda:ListAliases"], "Resource": arn(name)},
        {"Effect": "Allow", "Action": ["lambda:InvokeFunction",
                                       "lambda:GetProvisionedConcurrencyConfig"],
         "Resource": arn(name, "live")}]}))
    keys = server.client("sts").assume_role(RoleArn=f"arn:aws:iam::000000000000:role/{role}",
                                            RoleSessionName="session")["Credentials"]
    its = boto3.client("lambda", endpoint_url=server.url, region_name="us-east-1",
                       aws_access_key_id=keys["AccessKeyId"],
                       aws_secret_access_key=keys["SecretAccessKey"],
                       aws_session_token=keys["SessionToken"])
    assert its.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"
    assert len(its.list_aliases(FunctionName=name)["Aliases"]) == 1
    assert answer(its, f"{name}:live")[0] == "1"
    assert fails(its.get_provisioned_concurrency_config, FunctionName=name, Qualifier="live")[0] == (
        "ProvisionedConcurrencyConfigNotFoundException")
    version = {"FunctionName": name, "FunctionVersion": "1", "Name": "x"}
    for call, action, more in (
            (its.create_alias, "CreateAlias", version), (its.update_alias, "UpdateAlias", version),
            (its.delete_alias, "DeleteAlias", {"FunctionName": name, "Name": "live"}),
            (its.invoke, "InvokeFunction", {"FunctionName": name}),
            (its.invoke, "InvokeFunction", {"FunctionName": name, "Qualifier": "2"}),
            (its.put_provisioned_concurrency_config, "PutProvisionedConcurrencyConfig",
             {"FunctionName": name, "Qualifier": "live", "ProvisionedConcurrentExecutions": 1}),
            (its.list_provisioned_concurrency_configs, "ListProvisionedConcurrencyConfigs",
             {"FunctionName": name}),
            (its.delete_provisioned_concurrency_config, "DeleteProvisionedConcurrencyConfig",
             {"FunctionName": name, "Qualifier": "live"})):
        code, status, message = fails(call, **more)
        assert (code, status) == ("AccessDeniedException", 403) and f"lambda:{action} " in message
    assert lam.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"


def test_streams_and_urls_by_alias(server, lam, name):
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1",
                     RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    got = lam.invoke_with_response_stream(FunctionName=name, Qualifier="live")
    assert got["ExecutedVersion"] == "2"
    said = b"".join(one["PayloadChunk"]["Payload"] for one in got["EventStream"]
                    if "PayloadChunk" in one)
    assert json.loads(said)["arn"] == arn(name, "live")
    url = lam.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
    for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
        lam.add_permission(FunctionName=name, Qualifier="live", Principal="*", Action=action,
                           StatementId=action.replace(":", "-"))
    host = urllib.parse.urlparse(url["FunctionUrl"]).netloc
    got = send(server, "/", host=host).json
    assert (got["version"], got["arn"]) == ("2", arn(name, "live"))
    lam.delete_alias(FunctionName=name, Name="live")
    assert fails(lam.get_function_url_config, FunctionName=name, Qualifier="live")[0] == (
        "ResourceNotFoundException")
    assert send(server, "/", host=host).status in (403, 404)


def results(s3, bucket, prefix=""):
    return [json.loads(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
            for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


@pytest.fixture
def bucket(server):
    made = "b-" + uuid.uuid4().hex[:12]
    server.client("s3").create_bucket(Bucket=made)
    return made


def test_events_by_alias(server, lam, name, bucket):
    s3 = server.client("s3")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.put_function_event_invoke_config(
        FunctionName=name, Qualifier="live", MaximumRetryAttempts=0, DestinationConfig={
            "OnSuccess": {"Destination": f"arn:aws:s3:::{bucket}/ok/"},
            "OnFailure": {"Destination": f"arn:aws:s3:::{bucket}/bad/"}})
    lam.invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=b'{"a": 1}')
    got = wait_for(lambda: results(s3, bucket, "ok/"))[0]
    assert got["responsePayload"] == {"version": "1", "arn": arn(name, "live"), "event": {"a": 1}}
    assert got["requestContext"]["functionArn"] == arn(name, "live")
    assert got["responseContext"]["executedVersion"] == "1"
    lam.invoke(FunctionName=f"{name}:live", InvocationType="Event", Payload=b'{"fail": 1}')
    got = wait_for(lambda: results(s3, bucket, "bad/"))[0]
    assert got["requestContext"]["condition"] == "RetriesExhausted"
    assert got["requestContext"]["approximateInvokeCount"] == 1  # the alias's rule, not the version's


def test_notifications_and_destinations_name_aliases(server, lam, name, bucket):
    s3, sink = server.client("s3"), "sink-" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=sink)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    other = deploy(server, zip_of({"index.py": CODE}), "python3.11", "index.handler").name
    lam.publish_version(FunctionName=other)
    lam.create_alias(FunctionName=other, Name="next", FunctionVersion="1")
    lam.put_function_event_invoke_config(FunctionName=name, Qualifier="live", DestinationConfig={
        "OnSuccess": {"Destination": arn(other, "next")}})
    lam.put_function_event_invoke_config(FunctionName=other, Qualifier="next", DestinationConfig={
        "OnSuccess": {"Destination": f"arn:aws:s3:::{sink}"}})

    def rule(target):
        return {"LambdaFunctionConfigurations": [
            {"LambdaFunctionArn": target, "Events": ["s3:ObjectCreated:*"]}]}

    for missing in (arn(name, "none"), arn(name, "9"), arn("nothing")):
        code, _, message = fails(s3.put_bucket_notification_configuration, Bucket=bucket,
                                 NotificationConfiguration=rule(missing))
        assert code == "InvalidArgument" and missing in message
    for target in (arn(name), arn(name, "1"), arn(name, "live")):
        s3.put_bucket_notification_configuration(Bucket=bucket,
                                                 NotificationConfiguration=rule(target))
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    got = wait_for(lambda: results(s3, sink))[0]["responsePayload"]
    assert got["arn"] == arn(other, "next")  # roused by what came of the alias's version
    first = got["event"]["responsePayload"]
    assert (first["version"], first["arn"]) == ("1", arn(name, "live"))
    assert urllib.parse.unquote_plus(first["event"]["Records"][0]["s3"]["object"]["key"]) == "a b"


def test_aliases_and_their_events_survive(make_server):
    rouse = make_server("--max-instances", "1")
    lam, s3 = rouse.client("lambda"), rouse.client("s3")
    name = deploy(rouse, zip_of({"index.py": CODE}), "python3.11", "index.handler").name
    publish(lam, name, "one")
    s3.create_bucket(Bucket="out")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1",
                     RoutingConfig={"AdditionalVersionWeights": {}})
    lam.put_function_event_invoke_config(FunctionName=name, Qualifier="live", DestinationConfig={
        "OnSuccess": {"Destination": "arn:aws:s3:::out"}})
    for i in range(20):
        lam.invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=str(i).encode())
    rouse.kill()
    rouse.start()
    wait_for(lambda: len(results(s3, "out")) == 20)
    assert {one["responsePayload"]["arn"] for one in results(s3, "out")} == {arn(name, "live")}
    assert lam.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"


def test_rules_of_what_is_gone_are_dropped(make_server):
    rouse = make_server()
    lam, s3 = rouse.client("lambda"), rouse.client("s3")
    name = deploy(rouse, zip_of({"index.py": CODE}), "python3.11", "index.handler").name
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    s3.create_bucket(Bucket="input")
    s3.put_bucket_notification_configuration(Bucket="input", NotificationConfiguration={
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn(name, "live"),
                                          "Events": ["s3:ObjectCreated:*"]}]})
    lam.delete_alias(FunctionName=name, Name="live")
    s3.put_object(Bucket="input", Key="one", Body=b"x")
    wait_for(lambda: "one is dropped" in rouse.log)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    lam.delete_function(FunctionName=name)
    s3.put_object(Bucket="input", Key="two", Body=b"x")
    wait_for(lambda: "two is dropped" in rouse.log)
    rouse.stop()
    rouse.start()
    assert "events that waited" not in rouse.log  # none were left behind
