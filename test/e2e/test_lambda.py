# SPDX-License-Identifier: Apache-2.0
"""Functions: made, changed, versioned, listed, removed, through boto3. The function of most tests is
the echo task, which answers with its payload and needs no model."""
import base64
import hashlib
import io
import time
import urllib.error
import urllib.request
import uuid
import zipfile

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from conftest import zip_of

ROLE = "arn:aws:iam::000000000000:role/test"
ECHO = zip_of({"model.yaml": "task: echo\n"})


def arn(name, qualifier=None):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{name}" + (
        f":{qualifier}" if qualifier else "")


def fails(call, **arguments):
    """The error that the call must end in: (code, status, message)."""
    with pytest.raises(ClientError) as info:
        call(**arguments)
    response = info.value.response
    return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"],
            response["Error"]["Message"])


@pytest.fixture
def lam(server):
    return server.client("lambda")


def create(lam, name=None, wait=True, **more):
    name = name or "f-" + uuid.uuid4().hex[:12]
    more.setdefault("Code", {"ZipFile": ECHO})
    made = lam.create_function(FunctionName=name, Runtime="onnx", Role=ROLE, Handler="model.yaml",
                               **more)
    if wait:
        lam.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    return name, made


def settled(lam, name):
    lam.get_waiter("function_updated_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    return lam.get_function_configuration(FunctionName=name)


# ── create and look ──

def test_create_shows_what_was_asked_for(lam):
    name, made = create(lam, Description="d", Timeout=17, MemorySize=256, Publish=False,
                        Environment={"Variables": {"AB": "c"}}, Tags={"k": "v"},
                        EphemeralStorage={"Size": 1024}, Architectures=["x86_64"])
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert made["State"] == "Pending" and made["StateReasonCode"] == "Creating"
    assert made["FunctionArn"] == arn(name)
    assert made["CodeSize"] == len(ECHO)
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(ECHO).digest()).decode()
    got = lam.get_function(FunctionName=name)
    config = got["Configuration"]
    assert config["State"] == "Active" and config["LastUpdateStatus"] == "Successful"
    assert (config["Description"], config["Timeout"], config["MemorySize"]) == ("d", 17, 256)
    assert config["Environment"] == {"Variables": {"AB": "c"}}
    assert config["EphemeralStorage"] == {"Size": 1024}
    assert config["Version"] == "$LATEST" and config["PackageType"] == "Zip"
    assert config["LastModified"].endswith("+0000") and "T" in config["LastModified"]
    assert uuid.UUID(config["RevisionId"])
    assert got["Tags"] == {"k": "v"}
    assert lam.get_function_configuration(FunctionName=name)["CodeSha256"] == made["CodeSha256"]


def test_location_is_the_zip(lam):
    name, _ = create(lam)
    location = lam.get_function(FunctionName=name)["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == ECHO
    with pytest.raises(urllib.error.HTTPError) as info:
        urllib.request.urlopen(location.replace("X-Amz-Signature=", "X-Amz-Signature=0"))
    assert info.value.code in (400, 403)


@pytest.mark.parametrize("form", ["{name}", "{name}:$LATEST", "000000000000:function:{name}",
                                  "function:{name}", "{arn}", "{arn}:$LATEST"])
def test_names_have_many_forms(lam, form):
    name, _ = create(lam)
    given = form.format(name=name, arn=arn(name))
    assert lam.get_function_configuration(FunctionName=given)["FunctionName"] == name
    assert lam.invoke(FunctionName=given, Payload=b"x")["Payload"].read() == b"x"


def test_names_that_are_none(lam):
    assert fails(lam.get_function, FunctionName="nope-nope") == (
        "ResourceNotFoundException", 404, f"Function not found: {arn('nope-nope')}")
    assert fails(lam.get_function, FunctionName="nope", Qualifier="7")[2].endswith("nope:7")
    assert fails(lam.get_function, FunctionName="a b")[0] == "ValidationException"
    assert fails(lam.invoke, FunctionName="x" * 65)[:2] == ("ValidationException", 400)
    other = "arn:aws:lambda:eu-west-9:000000000000:function:f"
    assert fails(lam.get_function, FunctionName=other)[0] == "ResourceNotFoundException"
    other = "arn:aws:lambda:us-east-1:111111111111:function:f"
    assert fails(lam.get_function, FunctionName=other)[0] == "AccessDeniedException"


def test_create_twice(lam):
    name, _ = create(lam)
    assert fails(create, lam=lam, name=name) == (
        "ResourceConflictException", 409, f"Function already exist: {name}")


@pytest.mark.parametrize("more, code, words", [
    ({"MemorySize": 127}, "ValidationException", "Value '127' at 'memorySize'"),
    ({"MemorySize": 10241}, "ValidationException", "less than or equal to 10240"),
    ({"Timeout": 901}, "ValidationException", "Value '901' at 'timeout'"),
    ({"Description": "d" * 257}, "ValidationException", "at 'description'"),
    ({"Environment": {"Variables": {"AWS_REGION": "x"}}}, "InvalidParameterValueException",
     "reserved keys"),
    ({"Environment": {"Variables": {"1a": "x"}}}, "ValidationException", "environment.variables"),
    ({"Environment": {"Variables": {"AA": "x" * 4097}}}, "InvalidParameterValueException", "4KB"),
    ({"Architectures": ["mips"]}, "ValidationException", "architectures"),
    ({"PackageType": "Image"}, "InvalidParameterValueException", "PackageType"),
    ({"EphemeralStorage": {"Size": 511}}, "ValidationException", "ephemeralStorage.size"),
    ({"Tags": {"aws:x": "y"}}, "InvalidParameterValueException", "tag"),
])
def test_bad_configurations(server, more, code, words):
    lam = server.client("lambda", parameter_validation=False)
    name = "bad-" + uuid.uuid4().hex[:8]
    got = fails(create, lam=lam, name=name, wait=False, **more)
    assert got[:2] == (code, 400) and words in got[2]
    assert fails(lam.get_function, FunctionName=name)[0] == "ResourceNotFoundException"


def test_unknown_runtime_names_what_is_served(lam):
    code, status, message = fails(
        lam.create_function, FunctionName="r-" + uuid.uuid4().hex[:8], Runtime="cobol85", Role=ROLE,
        Handler="h", Code={"ZipFile": ECHO})
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "onnx" in message and "cobol85" in message


def test_bad_role_and_missing_members(server):
    lam = server.client("lambda", parameter_validation=False)
    bad = dict(FunctionName="m-" + uuid.uuid4().hex[:8], Runtime="onnx", Code={"ZipFile": ECHO})
    assert "at 'role'" in fails(lam.create_function, Role="admin", **bad)[2]
    assert fails(lam.create_function, Role=ROLE, **{**bad, "Code": {}})[0] == (
        "InvalidParameterValueException")
    del bad["Runtime"]
    assert "Runtime is mandatory" in fails(lam.create_function, Role=ROLE, **bad)[2]
    assert "'functionName'" in fails(lam.create_function, Role=ROLE, Code={"ZipFile": ECHO})[2]


# ── packages ──

def entry(name, mode=0o100644, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize("package, words", [
    (b"", "unzip"),
    (b"this is no zip at all", "unzip"),
    (zip_of({}), "non-empty"),
    (zip_of({"../evil": "x"}), "leads out"),
    (zip_of({"a/../../evil": "x"}), "leads out"),
    (zip_of({"/etc/evil": "x"}), "leads out"),
    (zip_of({"a\\b": "x"}), "backslash"),
    (zip_of({entry("link", 0o120777): "/etc/passwd"}), "neither a file nor a folder"),
    (zip_of({entry("fifo", 0o010644): ""}), "neither a file nor a folder"),
    (ECHO[:-30], "unzip"),
    (zip_of({"a": "x", "a/b": "y"}), "unzip"),
])
def test_packages_that_are_none(server, package, words):
    lam = server.client("lambda")
    name = "z-" + uuid.uuid4().hex[:8]
    code, status, message = fails(create, lam=lam, name=name, wait=False,
                                  Code={"ZipFile": package})
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert words in message
    left = [p.name for p in (server.data / "packages").iterdir() if p.name.startswith("new-")]
    assert left == []


def test_damaged_entry(lam):
    whole = bytearray(zip_of({"model.yaml": "task: echo\n" + "# " + "x" * 5000}))
    whole[60] ^= 0xff
    code, status, message = fails(create, lam=lam, wait=False, Code={"ZipFile": bytes(whole)})
    assert (code, status) == ("InvalidParameterValueException", 400)


def test_bombs_are_refused(make_server):
    rouse = make_server("--code-unpacked-max", "1MiB")
    lam = rouse.client("lambda")
    bomb = zip_of({"zeros": b"\0" * (2 * 1024 * 1024)})
    code, status, message = fails(create, lam=lam, wait=False, Code={"ZipFile": bomb})
    assert (code, status) == ("InvalidParameterValueException", 400)
    assert "Unzipped size must be smaller than 1048576 bytes" in message


def test_too_large_for_a_request(make_server):
    rouse = make_server("--code-zip-max", "64KiB")
    lam = rouse.client("lambda")
    import random
    package = zip_of({"model.yaml": "task: echo\n", "noise": random.Random(1).randbytes(200000)})
    assert fails(create, lam=lam, wait=False, Code={"ZipFile": package})[0] in (
        "RequestTooLargeException", "413")
    package = zip_of({"model.yaml": "task: echo\n", "noise": random.Random(1).randbytes(3000000)})
    assert fails(create, lam=lam, wait=False, Code={"ZipFile": package})[1] == 413
    s3 = rouse.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="p.zip", Body=package)
    name, made = create(lam, Code={"S3Bucket": "code", "S3Key": "p.zip"})
    assert made["CodeSize"] == len(package)


def test_code_from_s3(server, lam):
    s3 = server.client("s3")
    bucket = "code-" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="dir/echo.zip", Body=ECHO)
    name, made = create(lam, Code={"S3Bucket": bucket, "S3Key": "dir/echo.zip"})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(ECHO).digest()).decode()
    assert lam.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"
    got = fails(create, lam=lam, wait=False, Code={"S3Bucket": bucket, "S3Key": "nothing"})
    assert got[0] == "InvalidParameterValueException" and "NoSuchKey" in got[2]
    got = fails(create, lam=lam, wait=False, Code={"S3Bucket": "nowhere-" + bucket, "S3Key": "k"})
    assert got[0] == "InvalidParameterValueException" and "Error occurred while GetObject" in got[2]


def test_package_that_is_no_model_fails_with_its_reason(lam):
    name, made = create(lam, wait=False, Code={"ZipFile": zip_of({"readme": "x"})})
    assert made["State"] == "Pending"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        config = lam.get_function_configuration(FunctionName=name)
        if config["State"] != "Pending":
            break
        time.sleep(0.05)
    assert config["State"] == "Failed" and config["LastUpdateStatus"] == "Failed"
    assert config["StateReasonCode"] == "InvalidModel" and "onnx" in config["StateReason"]
    assert fails(lam.invoke, FunctionName=name)[:2] == ("ResourceConflictException", 409)
    # With proper code it comes to life.
    lam.update_function_code(FunctionName=name, ZipFile=ECHO)
    settled(lam, name)
    assert lam.invoke(FunctionName=name, Payload=b"y")["Payload"].read() == b"y"


def test_invokes_are_held_while_pending(lam):
    name, made = create(lam, wait=False)
    assert made["State"] == "Pending"
    assert lam.invoke(FunctionName=name, Payload=b'"held"')["Payload"].read() == b'"held"'


# ── change ──

def test_update_configuration(lam):
    name, made = create(lam)
    before = lam.get_function_configuration(FunctionName=name)
    got = lam.update_function_configuration(FunctionName=name, Timeout=30, MemorySize=512,
                                            Description="new",
                                            Environment={"Variables": {"XY": "z"}})
    assert (got["Timeout"], got["MemorySize"], got["Description"]) == (30, 512, "new")
    after = settled(lam, name)
    assert after["Environment"]["Variables"] == {"XY": "z"}
    assert after["RevisionId"] != before["RevisionId"]
    assert after["CodeSha256"] == before["CodeSha256"]
    lam.update_function_configuration(FunctionName=name, Environment={"Variables": {}})
    assert "Environment" not in settled(lam, name)
    assert fails(lam.update_function_configuration, FunctionName=name, Timeout=1,
                 RevisionId=before["RevisionId"])[:2] == ("PreconditionFailedException", 412)
    assert fails(lam.update_function_configuration, FunctionName="nope", Timeout=1)[1] == 404


def test_update_code(lam):
    name, made = create(lam)
    other = zip_of({"model.yaml": "task: echo\n", "more": "x"})
    dry = lam.update_function_code(FunctionName=name, ZipFile=other, DryRun=True)
    assert dry["CodeSize"] == len(other)
    assert lam.get_function_configuration(FunctionName=name)["CodeSha256"] == made["CodeSha256"]
    got = lam.update_function_code(FunctionName=name, ZipFile=other, Publish=True)
    assert got["Version"] == "1" and got["FunctionArn"] == arn(name, "1")
    after = settled(lam, name)
    assert after["CodeSha256"] == base64.b64encode(hashlib.sha256(other).digest()).decode()
    assert fails(lam.update_function_code, FunctionName=name, ZipFile=ECHO,
                 RevisionId=made["RevisionId"])[0] == "PreconditionFailedException"
    assert fails(lam.update_function_code, FunctionName="nope", ZipFile=ECHO)[1] == 404


def test_bad_update_leaves_the_code_before(lam):
    name, made = create(lam)
    lam.update_function_code(FunctionName=name, ZipFile=zip_of({"nothing": "here"}))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        config = lam.get_function_configuration(FunctionName=name)
        if config["LastUpdateStatus"] != "InProgress":
            break
        assert config["State"] == "Active"
        time.sleep(0.05)
    assert config["LastUpdateStatus"] == "Failed" and config["State"] == "Active"
    assert config["LastUpdateStatusReasonCode"] == "InvalidModel"
    assert config["CodeSha256"] == made["CodeSha256"]
    assert lam.invoke(FunctionName=name, Payload=b"2")["Payload"].read() == b"2"


def test_versions(lam):
    name, made = create(lam, Publish=True)
    assert made["Version"] == "1"
    again = lam.publish_version(FunctionName=name)
    assert again["Version"] == "1"  # nothing has changed
    lam.update_function_configuration(FunctionName=name, Description="two")
    settled(lam, name)
    two = lam.publish_version(FunctionName=name)
    assert two["Version"] == "2" and two["FunctionArn"] == arn(name, "2")
    three = lam.publish_version(FunctionName=name, Description="three")
    assert (three["Version"], three["Description"]) == ("3", "three")
    listed = lam.list_versions_by_function(FunctionName=name)["Versions"]
    assert [v["Version"] for v in listed] == ["$LATEST", "1", "2", "3"]
    assert listed[2]["FunctionArn"] == arn(name, "2")
    page = lam.list_versions_by_function(FunctionName=name, MaxItems=3)
    assert len(page["Versions"]) == 3
    rest = lam.list_versions_by_function(FunctionName=name, Marker=page["NextMarker"])
    assert [v["Version"] for v in rest["Versions"]] == ["3"]
    got = lam.invoke(FunctionName=name, Qualifier="2", Payload=b"v")
    assert got["ExecutedVersion"] == "2" and got["Payload"].read() == b"v"
    assert lam.get_function_configuration(FunctionName=name, Qualifier="2")["Description"] == "two"
    assert fails(lam.invoke, FunctionName=name, Qualifier="9")[:2] == (
        "ResourceNotFoundException", 404)
    assert fails(lam.get_function, FunctionName=name + ":1", Qualifier="2")[0] == (
        "InvalidParameterValueException")
    assert fails(lam.publish_version, FunctionName=name, CodeSha256="x")[0] == (
        "InvalidParameterValueException")
    lam.delete_function(FunctionName=name, Qualifier="2")
    assert fails(lam.invoke, FunctionName=name, Qualifier="2")[1] == 404
    assert fails(lam.delete_function, FunctionName=name, Qualifier="$LATEST")[0] == (
        "InvalidParameterValueException")
    assert lam.publish_version(FunctionName=name, Description="4th")["Version"] == "4"


def test_delete(lam):
    name, _ = create(lam)
    lam.invoke(FunctionName=name, Payload=b"1")
    assert lam.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert fails(lam.delete_function, FunctionName=name)[:2] == ("ResourceNotFoundException", 404)
    assert fails(lam.invoke, FunctionName=name)[1] == 404
    create(lam, name)  # the name may be used again
    assert lam.invoke(FunctionName=name, Payload=b"2")["Payload"].read() == b"2"
    assert lam.list_versions_by_function(FunctionName=name)["Versions"][0]["Version"] == "$LATEST"


def test_list_is_paged_and_in_order(rouse):
    lam = rouse.client("lambda")
    assert lam.list_functions()["Functions"] == []
    names = [f"p{i}" for i in range(7)]
    for name in reversed(names):
        create(lam, name, wait=False)
    assert [f["FunctionName"] for f in lam.list_functions()["Functions"]] == names
    pages = list(lam.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(p["Functions"]) for p in pages] == [3, 3, 1]
    assert [f["FunctionName"] for p in pages for f in p["Functions"]] == names
    assert fails(lam.list_functions, Marker="nonsense")[0] == "InvalidParameterValueException"
    usage = lam.get_account_settings()
    assert usage["AccountUsage"]["FunctionCount"] == 7
    assert usage["AccountLimit"]["CodeSizeZipped"] == 50 * 1024 * 1024


# ── settings ──

def test_concurrency(lam):
    name, _ = create(lam)
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName=name)
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert lam.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"] == 0
    assert lam.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    code, status, _ = fails(lam.invoke, FunctionName=name)
    assert (code, status) == ("TooManyRequestsException", 429)
    lam.delete_function_concurrency(FunctionName=name)
    assert lam.invoke(FunctionName=name, Payload=b"1")["Payload"].read() == b"1"
    assert fails(lam.put_function_concurrency, FunctionName="nope",
                 ReservedConcurrentExecutions=1)[1] == 404


def test_event_invoke_config(lam):
    name, _ = create(lam)
    assert fails(lam.get_function_event_invoke_config, FunctionName=name) == (
        "ResourceNotFoundException", 404,
        f"The function {arn(name, '$LATEST')} doesn't have an EventInvokeConfig")
    put = lam.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::failures"}})
    assert put["FunctionArn"] == arn(name, "$LATEST") and put["MaximumRetryAttempts"] == 0
    got = lam.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    assert got["MaximumEventAgeInSeconds"] == 60 and got["MaximumRetryAttempts"] == 1
    assert got["DestinationConfig"]["OnFailure"]["Destination"] == "arn:aws:s3:::failures"
    listed = lam.list_function_event_invoke_configs(FunctionName=name)
    assert len(listed["FunctionEventInvokeConfigs"]) == 1
    put = lam.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    assert "MaximumEventAgeInSeconds" not in put  # a put replaces
    bad = {"OnSuccess": {"Destination": "arn:aws:sns:us-east-1:000000000000:topic"}}
    assert fails(lam.put_function_event_invoke_config, FunctionName=name,
                 DestinationConfig=bad)[0] == "InvalidParameterValueException"
    lam.delete_function_event_invoke_config(FunctionName=name)
    assert fails(lam.delete_function_event_invoke_config, FunctionName=name)[1] == 404


def test_permissions(lam):
    import json
    name, _ = create(lam)
    assert fails(lam.get_policy, FunctionName=name)[:2] == ("ResourceNotFoundException", 404)
    added = lam.add_permission(FunctionName=name, StatementId="s3", Action="lambda:InvokeFunction",
                               Principal="s3.amazonaws.com", SourceArn="arn:aws:s3:::b",
                               SourceAccount="000000000000")
    statement = json.loads(added["Statement"])
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Resource"] == arn(name) and statement["Effect"] == "Allow"
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceAccount": "000000000000"},
                                      "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}
    assert fails(lam.add_permission, FunctionName=name, StatementId="s3",
                 Action="lambda:InvokeFunction", Principal="*")[:2] == (
        "ResourceConflictException", 409)
    policy = json.loads(lam.get_policy(FunctionName=name)["Policy"])
    assert policy["Version"] == "2012-10-17" and policy["Statement"] == [statement]
    lam.remove_permission(FunctionName=name, StatementId="s3")
    assert fails(lam.remove_permission, FunctionName=name, StatementId="s3")[1] == 404


def test_tags(lam):
    name, _ = create(lam, Tags={"a": "1"})
    lam.tag_resource(Resource=arn(name), Tags={"b": "2", "a": "3"})
    assert lam.list_tags(Resource=arn(name))["Tags"] == {"a": "3", "b": "2"}
    lam.untag_resource(Resource=arn(name), TagKeys=["a", "zzz"])
    assert lam.list_tags(Resource=arn(name))["Tags"] == {"b": "2"}
    assert fails(lam.tag_resource, Resource=arn(name),
                 Tags={f"k{i}": "v" for i in range(60)})[0] == "InvalidParameterValueException"
    assert fails(lam.list_tags, Resource=arn("nope"))[1] == 404


# ── what lasts ──

def test_functions_outlive_kills(rouse):
    lam = rouse.client("lambda")
    create(lam, "kept", Publish=True, Tags={"t": "1"}, Timeout=9,
           Environment={"Variables": {"EE": "f"}})
    lam.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=3)
    lam.put_function_event_invoke_config(FunctionName="kept", MaximumRetryAttempts=1)
    lam.add_permission(FunctionName="kept", StatementId="x", Action="lambda:*", Principal="*")
    before = lam.get_function(FunctionName="kept")
    rouse.kill()
    rouse.start()
    lam = rouse.client("lambda")
    after = lam.get_function(FunctionName="kept")
    assert after["Configuration"] == before["Configuration"]
    assert after["Tags"] == {"t": "1"}
    assert after["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    assert lam.get_function_event_invoke_config(FunctionName="kept")["MaximumRetryAttempts"] == 1
    assert "lambda:*" in lam.get_policy(FunctionName="kept")["Policy"]
    assert lam.invoke(FunctionName="kept", Payload=b"1")["Payload"].read() == b"1"
    assert lam.invoke(FunctionName="kept", Qualifier="1", Payload=b"2")["Payload"].read() == b"2"
    # A preparation that the kill interrupted is made up for.
    create(lam, "young", wait=False)
    rouse.kill()
    rouse.start()
    lam = rouse.client("lambda")
    assert lam.invoke(FunctionName="young", Payload=b"3")["Payload"].read() == b"3"
    # Packages that no function has any more are gone after the next start.
    lam.delete_function(FunctionName="kept")
    lam.delete_function(FunctionName="young")
    assert rouse.stop() == 0
    rouse.start()
    left = [p.name for p in (rouse.data / "packages").iterdir() if p.name[0] != "."]
    assert left == []


def test_changes_of_one_function_wait_for_each_other(lam):
    import concurrent.futures
    name, _ = create(lam)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        work = [pool.submit(lam.tag_resource, Resource=arn(name), Tags={f"k{i}": "v"})
                for i in range(24)]
        for one in work:
            one.result()
    assert lam.list_tags(Resource=arn(name))["Tags"] == {f"k{i}": "v" for i in range(24)}


def test_the_same_name_at_once_is_made_once(lam):
    import concurrent.futures
    name = "race-" + uuid.uuid4().hex[:8]

    def attempt(_):
        try:
            create(lam, name, wait=False)
            return 201
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        results = sorted(pool.map(attempt, range(6)))
    assert results == [201] + [409] * 5


def test_another_machine_prepares_again(rouse):
    lam = rouse.client("lambda")
    create(lam, "moved")
    rouse.stop()
    note = rouse.data / "packages" / ".machine"
    note.write_text("another machine")
    rouse.start()
    lam = rouse.client("lambda")
    assert lam.invoke(FunctionName="moved", Payload=b"1")["Payload"].read() == b"1"
    until = time.monotonic() + 60
    while note.read_text() == "another machine" and time.monotonic() < until:
        time.sleep(0.05)
    assert note.read_text() != "another machine"
    assert "1 models are prepared again" in rouse.log
    rouse.stop()
    before = rouse.log.count("prepared again")
    rouse.start()
    assert rouse.log.count("prepared again") == before  # the machine is known now
