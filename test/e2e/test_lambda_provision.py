# SPDX-License-Identifier: Apache-2.0
"""Provisioned concurrency: what may be asked for, and that the instances are there and stay."""
import concurrent.futures
import json
import uuid

import pytest

from conftest import zip_of
from runtime_support import deploy, wait_for
from test_lambda import arn, fails
from test_lambda_invoke import get

CODE = """
import os, time, uuid
ME = uuid.uuid4
def handler(event, context):
    if event.get("die"):
        os._exit(1)
    begun = time.monotonic()
    time.sleep(event.get("sleep", 0))
    return {"type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "version": context.function_version, "stream": context.log_stream_name,
            "begun": begun, "ended": time.monotonic()}
"""


@pytest.fixture
def lam(server):
    return server.client("lambda")


def versions(server, *texts, **more):
    """A function with a version for each text."""
    lam = server.client("lambda")
    name = deploy(server, zip_of({"index.py": texts[0]}), "python3.11", "index.handler", **more).name
    lam.publish_version(FunctionName=name)
    for text in texts[1:]:
        lam.update_function_code(FunctionName=name, ZipFile=zip_of({"index.py": text}))
        lam.publish_version(FunctionName=name)
    return name


def put(lam, name, qualifier, count):
    return lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier,
                                                  ProvisionedConcurrentExecutions=count)


def settled(lam, name, qualifier, status="READY"):
    def look():
        got = lam.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        return got if got["Status"] == status else None

    return wait_for(look)


def invoke(lam, name, qualifier="$LATEST", **event):
    got = lam.invoke(FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event))
    return got["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"], json.loads(got["Payload"].read())


def instances(rouse):
    return json.loads(get(rouse, "/rouse/info")[2])["instances"]


# ── what may be asked for ──

def test_life(lam, server):
    name = versions(server, CODE, CODE + "# 2")
    made = put(lam, name, "1", 1)
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (made["Status"], made["RequestedProvisionedConcurrentExecutions"]) == ("IN_PROGRESS", 1)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="2")
    put(lam, name, "live", 2)
    got = settled(lam, name, "live")
    assert got["AvailableProvisionedConcurrentExecutions"] == 2
    assert got["AllocatedProvisionedConcurrentExecutions"] == 2
    assert got["LastModified"].endswith("+0000") and "StatusReason" not in got
    page = lam.list_provisioned_concurrency_configs(FunctionName=name, MaxItems=1)
    assert [c["FunctionArn"] for c in page["ProvisionedConcurrencyConfigs"]] == [arn(name, "1")]
    page = lam.list_provisioned_concurrency_configs(FunctionName=name, Marker=page["NextMarker"])
    assert [(c["FunctionArn"], c["RequestedProvisionedConcurrentExecutions"])
            for c in page["ProvisionedConcurrencyConfigs"]] == [(arn(name, "live"), 2)]
    for _ in range(2):
        lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert fails(lam.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1") == (
        "ProvisionedConcurrencyConfigNotFoundException", 404,
        "No Provisioned Concurrency Config found for this function")
    lam.delete_alias(FunctionName=name, Name="live")
    assert lam.list_provisioned_concurrency_configs(FunctionName=name)[
        "ProvisionedConcurrencyConfigs"] == []


def test_what_cannot_be(server):
    lam = server.client("lambda", parameter_validation=False)
    name = versions(server, CODE, CODE + "# 2")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    lam.create_alias(FunctionName=name, Name="dev", FunctionVersion="$LATEST")
    lam.create_alias(FunctionName=name, Name="both", FunctionVersion="1",
                     RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})

    def bad(qualifier, count, of=name):
        return fails(lam.put_provisioned_concurrency_config, FunctionName=of, Qualifier=qualifier,
                     ProvisionedConcurrentExecutions=count)

    assert "unpublished" in bad("$LATEST", 1)[2] and "unpublished" in bad("dev", 1)[2]
    assert bad("live", 0)[0] == "ValidationException"
    assert bad("live", None)[0] == "ValidationException"
    assert bad("9", 1) == ("ResourceNotFoundException", 404, f"Function not found: {arn(name, '9')}")
    assert bad("none", 1)[2] == f"Cannot find alias arn: {arn(name, 'none')}"
    assert bad("1", 1, of="nothing")[:2] == ("ResourceNotFoundException", 404)
    assert bad("both", 1)[0] == "InvalidParameterValueException"
    assert "account's" in bad("live", 1001)[2] and "[100]" in bad("live", 950)[2]
    assert fails(lam.get_provisioned_concurrency_config, FunctionName=name, Qualifier="$LATEST")[
        0] == "InvalidParameterValueException"
    assert fails(lam.get_provisioned_concurrency_config, FunctionName=name)[0] == (
        "ValidationException")
    put(lam, name, "live", 1)
    assert bad("1", 1)[:2] == ("ResourceConflictException", 409)
    put(lam, name, "2", 1)
    assert fails(lam.update_alias, FunctionName=name, Name="live", FunctionVersion="2")[0] == (
        "ResourceConflictException")
    assert fails(lam.update_alias, FunctionName=name, Name="live", FunctionVersion="$LATEST")[0] == (
        "InvalidParameterValueException")
    assert fails(lam.put_function_concurrency, FunctionName=name, ReservedConcurrentExecutions=1)[
        0] == "InvalidParameterValueException"
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    assert "reservedConcurrentExecution" in bad("live", 2)[2]
    lam.delete_function(FunctionName=name)


# ── what is there ──

def test_they_are_there_and_stay(make_server):
    rouse = make_server("--idle", "100ms", "--max-instances", "1")
    lam = rouse.client("lambda")
    name = versions(rouse, CODE)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    put(lam, name, "live", 3)
    settled(lam, name, "live")
    tier, got = invoke(lam, name, "live")
    assert tier == "hot" and got["type"] == "provisioned-concurrency"  # the very first
    other = versions(rouse, CODE)
    tier, got = invoke(lam, other)
    assert got["type"] == "on-demand"  # it has the one place that is for all
    wait_for(lambda: instances(rouse) == 3)  # and gives it back when it has been idle
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        streams = {one[1]["stream"] for one in pool.map(
            lambda _: invoke(lam, name, "live", sleep=0.3), range(3))}
    assert len(streams) == 3
    assert {invoke(lam, name, "live")[1]["stream"] for _ in range(5)} <= streams  # none was replaced
    lam.put_provisioned_concurrency_config(FunctionName=name, Qualifier="live",
                                           ProvisionedConcurrentExecutions=1)
    wait_for(lambda: instances(rouse) == 1)
    lam.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    wait_for(lambda: instances(rouse) == 0)


def test_they_come_back(make_server):
    rouse = make_server("--idle", "100ms")
    lam = rouse.client("lambda")
    name = versions(rouse, CODE, CODE + "# 2")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    put(lam, name, "live", 2)
    settled(lam, name, "live")
    first = invoke(lam, name, "live")[1]["stream"]
    lam.invoke(FunctionName=name, Qualifier="live", Payload=b'{"die": 1}')
    settled(lam, name, "live")
    assert invoke(lam, name, "live")[1]["type"] == "provisioned-concurrency"
    rouse.kill()
    rouse.start()
    settled(lam, name, "live")
    tier, got = invoke(lam, name, "live")
    assert tier == "hot" and got["stream"] != first
    lam.update_alias(FunctionName=name, Name="live", FunctionVersion="2")
    settled(lam, name, "live")
    wait_for(lambda: instances(rouse) == 2)  # those of version 1 have gone
    tier, got = invoke(lam, name, "live")
    assert (tier, got["version"]) == ("hot", "2")
    lam.update_alias(FunctionName=name, Name="live",
                     RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
    assert settled(lam, name, "live")["AvailableProvisionedConcurrentExecutions"] == 2
    assert {invoke(lam, name, version)[0] for version in ("1", "2")} == {"hot"}  # one of each
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    stream = invoke(lam, name, "2")[1]["stream"]
    lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    assert invoke(lam, name, "2")[1]["stream"] == stream  # settings alone replace nobody


def test_what_cannot_be_loaded_has_failed(make_server):
    rouse = make_server()
    lam = rouse.client("lambda")
    name = versions(rouse, "raise ValueError('no')", CODE)
    put(lam, name, "1", 2)
    got = settled(lam, name, "1", "FAILED")
    assert got["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"
    assert got["AvailableProvisionedConcurrentExecutions"] == 0
    wait_for(lambda: instances(rouse) == 0)
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="2")
    put(lam, name, "live", 1)
    settled(lam, name, "live")
    assert invoke(lam, name, "live")[0] == "hot"


def test_models_and_programs(server, lam):
    made = "m-" + uuid.uuid4().hex[:12]
    lam.create_function(FunctionName=made, Runtime="onnx", Role="arn:aws:iam::000000000000:role/r",
                        Handler="model.yaml", Code={"ZipFile": zip_of({"model.yaml": "task: echo\n"})},
                        Publish=True)  # its instances wait for its preparation
    put(lam, made, "1", 1)
    settled(lam, made, "1")
    got = lam.invoke(FunctionName=made, Qualifier="1", Payload=b"x")
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"] == "hot"
    lam.delete_function(FunctionName=made)


def test_they_count_against_the_reserved(make_server):
    rouse = make_server("--max-instances", "8")
    lam = rouse.client("lambda", max_pool_connections=10)
    name = versions(rouse, CODE)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=3)
    put(lam, name, "1", 2)
    settled(lam, name, "1")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        latest = [pool.submit(invoke, lam, name, "$LATEST", sleep=0.3) for _ in range(3)]
        version = [pool.submit(invoke, lam, name, "1", sleep=0.3) for _ in range(2)]
        runs = sorted((f.result()[1] for f in latest), key=lambda run: run["begun"])
        assert all(a["ended"] <= b["begun"] for a, b in zip(runs, runs[1:]))  # one at a time
        own = [f.result() for f in version]
    assert {tier for tier, _ in own} == {"hot"}  # what is set aside is there for its own
    assert own[0][1]["begun"] < own[1][1]["ended"] and own[1][1]["begun"] < own[0][1]["ended"]
