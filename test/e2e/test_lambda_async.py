# SPDX-License-Identifier: Apache-2.0
"""What becomes of events: configurations of asynchronous invocation, and dead letters."""
import json
import uuid

import pytest

from conftest import zip_of
from runtime_support import ROLE, deploy, wait_for
from test_lambda import arn, fails

CODE = zip_of({"index.py": """
def handler(event, context):
    if event.get("fail"):
        raise ValueError("as asked:\\n" + event["fail"])
    return event
"""})


@pytest.fixture
def lam(server):
    return server.client("lambda")


@pytest.fixture
def name(server):
    return deploy(server, CODE, "python3.11", "index.handler").name


def objects(s3, bucket, prefix=""):
    """{key: (bytes, metadata)}"""
    got = {}
    for one in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
        answer = s3.get_object(Bucket=bucket, Key=one["Key"])
        got[one["Key"]] = (answer["Body"].read(), answer["Metadata"])
    return got


# ── the configurations ──

def test_one_of_each_qualifier(lam, name):
    lam.publish_version(FunctionName=name)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for retries, qualifier in enumerate(("$LATEST", "1", "live")):
        put = lam.put_function_event_invoke_config(FunctionName=name, Qualifier=qualifier,
                                                   MaximumRetryAttempts=retries)
        assert put["FunctionArn"] == arn(name, qualifier)
        assert put["DestinationConfig"] == {"OnSuccess": {}, "OnFailure": {}}
        got = lam.get_function_event_invoke_config(FunctionName=f"{name}:{qualifier}")
        assert got["MaximumRetryAttempts"] == retries
    got = lam.update_function_event_invoke_config(FunctionName=name, Qualifier="live",
                                                  MaximumEventAgeInSeconds=60)
    assert (got["MaximumRetryAttempts"], got["MaximumEventAgeInSeconds"]) == (2, 60)
    page = lam.list_function_event_invoke_configs(FunctionName=name, MaxItems=2)
    assert [c["FunctionArn"] for c in page["FunctionEventInvokeConfigs"]] == [
        arn(name, "$LATEST"), arn(name, "1")]
    page = lam.list_function_event_invoke_configs(FunctionName=name, Marker=page["NextMarker"])
    assert [c["FunctionArn"] for c in page["FunctionEventInvokeConfigs"]] == [arn(name, "live")]
    assert fails(lam.list_function_event_invoke_configs, FunctionName=name, MaxItems=51)[0] == (
        "ValidationException")
    lam.delete_alias(FunctionName=name, Name="live")
    lam.delete_function(FunctionName=name, Qualifier="1")
    left = lam.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert [c["FunctionArn"] for c in left] == [arn(name, "$LATEST")]


def test_bad_configurations(server, lam, name):
    put, update = lam.put_function_event_invoke_config, lam.update_function_event_invoke_config
    assert fails(put, FunctionName=name)[2] == (
        "You must specify at least one of error handling or destination setting.")
    assert fails(put, FunctionName="nothing", MaximumRetryAttempts=1) == (
        "ResourceNotFoundException", 404, "The function doesn't exist.")
    assert fails(put, FunctionName=name, Qualifier="none", MaximumRetryAttempts=1)[1] == 404
    assert fails(update, FunctionName=name, MaximumRetryAttempts=1)[2] == (
        f"The function {arn(name, '$LATEST')} doesn't have an EventInvokeConfig")

    def to(target):
        return fails(put, FunctionName=name, DestinationConfig={"OnFailure": {"Destination": target}})

    assert to(arn(name))[2] == "You can't specify the function as a destination for itself."
    for missing in (arn("nothing"), arn("nothing", "1")):
        assert to(missing) == ("InvalidParameterValueException", 400,
                               f"The destination ARN {missing} is invalid.")
    for other in ("arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t"):
        code, _, message = to(other)
        assert code == "InvalidParameterValueException" and other in message
    assert fails(lam.get_function_event_invoke_config, FunctionName=name)[1] == 404


# ── dead letters ──

def test_dead_letters_to_a_bucket(make_server):
    rouse = make_server("--retry-delay", "10ms")
    lam, s3 = rouse.client("lambda"), rouse.client("s3")
    s3.create_bucket(Bucket="dead")
    s3.create_bucket(Bucket="failed")
    name = deploy(rouse, CODE, "python3.11", "index.handler",
                  DeadLetterConfig={"TargetArn": "arn:aws:s3:::dead/letters/"}).name
    shown = lam.get_function_configuration(FunctionName=name)
    assert shown["DeadLetterConfig"] == {"TargetArn": "arn:aws:s3:::dead/letters/"}
    lam.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failed"}})
    event = b'{"fail": "me", "b": [1, 2]}'
    sent = lam.invoke(FunctionName=name, InvocationType="Event", Payload=event)
    lam.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"fine": true}')
    request_id = sent["ResponseMetadata"]["RequestId"]
    (key, (body, metadata)), = wait_for(lambda: objects(s3, "dead")).items()
    assert key == f"letters/{request_id}.event.json" and body == event
    assert metadata == {"requestid": request_id, "errorcode": "200", "errormessage": "as asked:?me"}
    record, = wait_for(lambda: objects(s3, "failed")).values()  # both are told
    assert json.loads(record[0])["requestContext"]["approximateInvokeCount"] == 2
    lam.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in lam.get_function_configuration(FunctionName=name)


def test_dead_letters_to_a_function(make_server):
    rouse = make_server("--retry-delay", "10ms")
    lam, s3 = rouse.client("lambda"), rouse.client("s3")
    s3.create_bucket(Bucket="result")
    undertaker = deploy(rouse, zip_of({"index.py": "def handler(event, context):\n    return event\n"}),
                        "python3.11", "index.handler").name
    lam.put_function_event_invoke_config(
        FunctionName=undertaker, DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::result"}})
    name = deploy(rouse, CODE, "python3.11", "index.handler",
                  DeadLetterConfig={"TargetArn": arn(undertaker)}).name
    version = lam.publish_version(FunctionName=name)["Version"]
    lam.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    lam.put_function_event_invoke_config(FunctionName=name, Qualifier=version, MaximumRetryAttempts=0)
    lam.invoke(FunctionName=name, Qualifier=version, InvocationType="Event", Payload=b'{"fail": "a"}')
    record, = wait_for(lambda: objects(s3, "result")).values()
    assert json.loads(record[0])["responsePayload"] == {"fail": "a"}  # the event itself
    lam.delete_function(FunctionName=undertaker)
    lam.invoke(FunctionName=name, Qualifier=version, InvocationType="Event", Payload=b'{"fail": "b"}')
    wait_for(lambda: "has no place to go" in rouse.log)


def test_dead_letters_nobody_takes(server, lam):
    for target in ("arn:aws:sqs:us-east-1:000000000000:q", "arn:aws:sns:us-east-1:000000000000:t",
                   "nonsense", arn("nothing")):
        code, status, message = fails(
            lam.create_function, FunctionName="f-" + uuid.uuid4().hex[:12], Runtime="python3.11",
            Role=ROLE, Handler="index.handler", Code={"ZipFile": CODE},
            DeadLetterConfig={"TargetArn": target})
        assert (code, status) == ("InvalidParameterValueException", 400)
        assert "dead-letter target" in message and target in message


def test_dead_letters_to_itself(lam, name):
    code, status, message = fails(lam.update_function_configuration, FunctionName=name,
                                  DeadLetterConfig={"TargetArn": arn(name, "$LATEST")})
    assert (code, status) == ("InvalidParameterValueException", 400) and "itself" in message
