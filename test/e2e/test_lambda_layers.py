# SPDX-License-Identifier: Apache-2.0
"""Layers: published, listed, deleted and shared through boto3; seen by functions under /opt."""
import base64
import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from conftest import zip_of
from runtime_support import ROLE, deploy, executable, wait_for

HANDLER = """
import importlib, json, os, sys
def handler(event, context):
    return eval(event["say"])
"""
PACKAGE = zip_of({"index.py": HANDLER})
VERSION = f"python{__import__('sys').version_info[0]}.{__import__('sys').version_info[1]}"


def layer_name():
    return "l-" + uuid.uuid4().hex[:12]


def publish(lam, files, name=None, **more):
    return lam.publish_layer_version(LayerName=name or layer_name(), Content={"ZipFile": zip_of(files)},
                                     **more)


def fails(call, **arguments):
    with pytest.raises(ClientError) as info:
        call(**arguments)
    response = info.value.response
    return (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"],
            response["Error"]["Message"])


@pytest.fixture
def lam(server):
    return server.client("lambda")


def python(server, *layers, package=PACKAGE):
    return deploy(server, package, "python3.11", "index.handler", Layers=[
        one if isinstance(one, str) else one["LayerVersionArn"] for one in layers])


def say(function, text):
    answer = function({"say": text})
    assert answer.error is None, answer.raw
    return answer.json


# ── the API ──

def test_publish_and_get(server, lam):
    name, content = layer_name(), zip_of({"python/one.py": "x = 1"})
    made = lam.publish_layer_version(
        LayerName=name, Content={"ZipFile": content}, Description="d", LicenseInfo="MIT",
        CompatibleRuntimes=["python3.11", "python3.12"], CompatibleArchitectures=["x86_64"])
    arn = f"arn:aws:lambda:us-east-1:000000000000:layer:{name}"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (made["LayerArn"], made["LayerVersionArn"], made["Version"]) == (arn, arn + ":1", 1)
    assert made["Content"]["CodeSize"] == len(content)
    assert made["Content"]["CodeSha256"] == base64.b64encode(
        hashlib.sha256(content).digest()).decode()
    assert made["CreatedDate"].endswith("+0000")
    for got in (lam.get_layer_version(LayerName=name, VersionNumber=1),
                lam.get_layer_version(LayerName=arn, VersionNumber=1),
                lam.get_layer_version_by_arn(Arn=arn + ":1")):
        assert got["CompatibleRuntimes"] == ["python3.11", "python3.12"]
        assert got["CompatibleArchitectures"] == ["x86_64"]
        assert (got["Description"], got["LicenseInfo"]) == ("d", "MIT")
        with urllib.request.urlopen(got["Content"]["Location"]) as answer:
            assert answer.read() == content
    assert publish(lam, {"python/one.py": "x = 2"}, name)["Version"] == 2


def test_content_from_s3(server, lam):
    s3, bucket, content = server.client("s3"), layer_name(), zip_of({"a": "b"})
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="l.zip", Body=content)
    made = lam.publish_layer_version(LayerName=layer_name(),
                                     Content={"S3Bucket": bucket, "S3Key": "l.zip"})
    assert made["Content"]["CodeSize"] == len(content)
    code, _, message = fails(lam.publish_layer_version, LayerName=layer_name(),
                             Content={"S3Bucket": bucket, "S3Key": "none"})
    assert code == "InvalidParameterValueException" and "NoSuchKey" in message


def test_lists_and_filters(make_server):
    lam = make_server().client("lambda")
    for version in range(3):
        publish(lam, {"v": str(version)}, "both", CompatibleRuntimes=[
            "python3.11" if version < 2 else "nodejs20.x"])
    publish(lam, {"v": "x"}, "plain")
    layers = lam.list_layers()["Layers"]
    assert [(one["LayerName"], one["LatestMatchingVersion"]["Version"]) for one in layers] == [
        ("both", 3), ("plain", 1)]
    layers = lam.list_layers(CompatibleRuntime="python3.11")["Layers"]
    assert [(one["LayerName"], one["LatestMatchingVersion"]["Version"]) for one in layers] == [
        ("both", 2)]
    versions = lam.list_layer_versions(LayerName="both")["LayerVersions"]
    assert [one["Version"] for one in versions] == [3, 2, 1]
    versions = lam.list_layer_versions(LayerName="both", CompatibleRuntime="nodejs20.x")
    assert [one["Version"] for one in versions["LayerVersions"]] == [3]
    assert lam.list_layer_versions(LayerName="nothing")["LayerVersions"] == []
    pages = lam.get_paginator("list_layer_versions").paginate(
        LayerName="both", PaginationConfig={"PageSize": 2})
    assert [[one["Version"] for one in page["LayerVersions"]] for page in pages] == [[3, 2], [1]]
    assert fails(lam.list_layers, MaxItems=51)[0] == "ValidationException"
    assert fails(lam.list_layers, Marker="nothing")[0] == "InvalidParameterValueException"


def test_numbers_are_given_once(make_server):
    rouse = make_server()
    lam = rouse.client("lambda")
    publish(lam, {"v": "1"}, "one")
    publish(lam, {"v": "2"}, "one")
    lam.delete_layer_version(LayerName="one", VersionNumber=2)
    lam.delete_layer_version(LayerName="one", VersionNumber=2)  # is gone already
    assert fails(lam.get_layer_version, LayerName="one", VersionNumber=2)[:2] == (
        "ResourceNotFoundException", 404)
    rouse.kill()
    rouse.start()
    assert publish(lam, {"v": "3"}, "one")["Version"] == 3
    assert [one["Version"] for one in lam.list_layer_versions(LayerName="one")["LayerVersions"]] == [
        3, 1]


def test_permissions(lam):
    name = layer_name()
    publish(lam, {"a": "b"}, name)
    which = {"LayerName": name, "VersionNumber": 1}
    assert fails(lam.get_layer_version_policy, **which)[:2] == ("ResourceNotFoundException", 404)
    added = lam.add_layer_version_permission(**which, StatementId="all", Principal="*",
                                             Action="lambda:GetLayerVersion",
                                             OrganizationId="o-1234567890")
    statement = json.loads(added["Statement"])
    assert statement["Principal"] == "*" and statement["Resource"].endswith(f":layer:{name}:1")
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}
    got = lam.get_layer_version_policy(**which)
    assert got["RevisionId"] == added["RevisionId"]
    assert [one["Sid"] for one in json.loads(got["Policy"])["Statement"]] == ["all"]
    more = dict(which, Principal="123456789012", Action="lambda:GetLayerVersion")
    assert fails(lam.add_layer_version_permission, **dict(more, StatementId="all"))[:2] == (
        "ResourceConflictException", 409)
    assert fails(lam.add_layer_version_permission, **more, StatementId="x", RevisionId="no")[:2] == (
        "PreconditionFailedException", 412)
    lam.add_layer_version_permission(**more, StatementId="one", RevisionId=added["RevisionId"])
    assert fails(lam.remove_layer_version_permission, **which, StatementId="no")[:2] == (
        "ResourceNotFoundException", 404)
    for sid in ("one", "all"):
        lam.remove_layer_version_permission(**which, StatementId=sid)
    assert fails(lam.get_layer_version_policy, **which)[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("change, code, words", [
    ({"Content": {}}, "InvalidParameterValueException", "source for function code"),
    ({"Content": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", "unzip"),
    ({"Content": {"ZipFile": zip_of({"../x": "y"})}}, "InvalidParameterValueException", "leads out"),
    ({"LayerName": "a b"}, "ValidationException", "layerName"),
    ({"LayerName": "x" * 141}, "ValidationException", "layerName"),
    ({"Description": "d" * 257}, "ValidationException", "description"),
    ({"LicenseInfo": "l" * 513}, "ValidationException", "licenseInfo"),
    ({"CompatibleArchitectures": ["mips"]}, "ValidationException", "compatibleArchitectures"),
    ({"CompatibleRuntimes": ["python3.11"] * 16}, "ValidationException", "compatibleRuntimes"),
    ({"CompatibleRuntimes": ["No Such"]}, "ValidationException", "compatibleRuntimes"),
])
def test_bad_layers(server, change, code, words):
    lam = server.client("lambda", parameter_validation=False)
    good = {"LayerName": layer_name(), "Content": {"ZipFile": zip_of({"a": "b"})}}
    got = fails(lam.publish_layer_version, **{**good, **change})
    assert got[:2] == (code, 400) and words in got[2]
    assert lam.list_layer_versions(LayerName=good["LayerName"])["LayerVersions"] == []


def test_versions_that_are_none(server):
    lam = server.client("lambda", parameter_validation=False)
    assert fails(lam.get_layer_version, LayerName="x", VersionNumber=1)[:2] == (
        "ResourceNotFoundException", 404)
    assert fails(lam.get_layer_version, LayerName="x", VersionNumber=0)[2] == (
        "Layer Version Cannot be less than 1")
    assert fails(lam.get_layer_version, LayerName="x", VersionNumber="one")[0] == (
        "ValidationException")
    assert fails(lam.get_layer_version_by_arn, Arn="arn:aws:lambda:us-east-1:000000000000:layer:x")[
        0] == "ValidationException"
    other = "arn:aws:lambda:us-east-1:111111111111:layer:x:1"
    assert fails(lam.get_layer_version_by_arn, Arn=other)[:2] == ("AccessDeniedException", 403)


def test_which_layers_a_function_may_have(server, lam):
    name = layer_name()
    one, two = (publish(lam, {"v": v}, name)["LayerVersionArn"] for v in "12")
    arn = "arn:aws:lambda:{}:{}:layer:none:1"

    def bad(*layers):
        return fails(lam.create_function, FunctionName="f-" + uuid.uuid4().hex[:12], Role=ROLE,
                     Runtime="python3.11", Handler="index.handler", Code={"ZipFile": PACKAGE},
                     Layers=list(layers))

    assert bad(one, two)[:2] == ("InvalidParameterValueException", 400)
    assert "Two different versions of the same layer" in bad(one, two)[2]
    assert bad(*[one] * 6)[2] == "Cannot reference more than 5 layers."
    missing = arn.format("us-east-1", "000000000000")
    assert bad(missing)[2] == f"Layer version {missing} does not exist."
    assert "us-east-1" in bad(arn.format("eu-west-1", "000000000000"))[2]
    assert bad(arn.format("us-east-1", "111111111111"))[:2] == ("AccessDeniedException", 403)
    assert bad("none:1")[0] == "ValidationException"
    assert bad(one.rpartition(":")[0])[0] == "ValidationException"


def test_configuration_shows_layers(server, lam):
    layers = [publish(lam, {"a": str(i) * 100}) for i in range(2)]
    arns = [one["LayerVersionArn"] for one in layers]
    function = python(server, *layers)
    shown = [{"Arn": one["LayerVersionArn"], "CodeSize": one["Content"]["CodeSize"]} for one in layers]
    assert lam.get_function_configuration(FunctionName=function.name)["Layers"] == shown
    first = lam.publish_version(FunctionName=function.name)
    assert first["Layers"] == shown
    got = lam.update_function_configuration(FunctionName=function.name, Layers=arns[:1])
    assert got["Layers"] == shown[:1]
    assert lam.publish_version(FunctionName=function.name)["Version"] == "2"
    lam.update_function_configuration(FunctionName=function.name, Timeout=9)  # they stay
    assert lam.get_function(FunctionName=function.name)["Configuration"]["Layers"] == shown[:1]
    assert "Layers" not in lam.update_function_configuration(FunctionName=function.name, Layers=[])
    got = lam.get_function_configuration(FunctionName=function.name, Qualifier="1")
    assert got["Layers"] == shown


def test_code_and_layers_share_the_room(make_server):
    rouse = make_server("--code-unpacked-max", "100KiB")
    lam, most = rouse.client("lambda"), 100 * 1024

    def layer(size):
        return publish(lam, {"data": b"\0" * size})["LayerVersionArn"]

    def code(size):
        return zip_of({"index.py": HANDLER, "data": b"\0" * (size - len(HANDLER))})

    def create(size, *layers):
        return fails(lam.create_function, FunctionName=layer_name(), Runtime="python3.11", Role=ROLE,
                     Handler="index.handler", Code={"ZipFile": code(size)}, Layers=list(layers))

    def refused(text):
        return ("InvalidParameterValueException", 400, text)

    assert fails(publish, lam=lam, files={"data": b"\0" * (most + 1)}) == refused(
        f"Unzipped size must be smaller than {most} bytes")
    small, large = layer(30 * 1024), layer(80 * 1024)
    assert create(10 * 1024, small, large) == refused(
        f"Layers consume more than the available size of {most} bytes")
    assert create(20 * 1024 + 1, large) == refused(f"Unzipped size must be smaller than {20 * 1024} bytes")
    function = python(rouse, large, package=code(20 * 1024))
    change = {"FunctionName": function.name}
    assert fails(lam.update_function_code, ZipFile=code(20 * 1024 + 1), **change)[2] == (
        f"Unzipped size must be smaller than {20 * 1024} bytes")
    lam.update_function_configuration(Layers=[small], **change)
    lam.update_function_code(ZipFile=code(70 * 1024), **change)
    assert fails(lam.update_function_configuration, Layers=[large], **change) == refused(
        f"Function code combined with layers exceeds the maximum allowed size of {most} bytes. The actual "
        f"size is {150 * 1024} bytes.")
    assert fails(lam.update_function_configuration, Layers=[small, large], **change)[2].startswith("Layers consume")
    assert say(function, "1 + 1") == 2


def test_who_may_not_read_a_layer_may_not_use_it(server, lam):
    iam, sts, name = server.client("iam"), server.client("sts"), "r-" + uuid.uuid4().hex[:8]
    layer, other = publish(lam, {"a": "b"}), publish(lam, {"a": "c"})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Statement": [
        {"Effect": "Allow", "Action": ["lambda:*Function*", "iam:PassRole"], "Resource": "*"},
        {"Effect": "Allow", "Action": "lambda:GetLayerVersion",
         "Resource": layer["LayerVersionArn"]}]}))
    keys = sts.assume_role(RoleArn=f"arn:aws:iam::000000000000:role/{name}",
                           RoleSessionName="session")["Credentials"]
    role = boto3.client("lambda", endpoint_url=server.url, region_name="us-east-1",
                        aws_access_key_id=keys["AccessKeyId"],
                        aws_secret_access_key=keys["SecretAccessKey"],
                        aws_session_token=keys["SessionToken"])
    function = python(server)
    role.update_function_configuration(FunctionName=function.name,
                                       Layers=[layer["LayerVersionArn"]])
    role.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])
    for call, arguments in [
            (role.update_function_configuration,
             dict(FunctionName=function.name, Layers=[other["LayerVersionArn"]])),
            (role.get_layer_version_by_arn, dict(Arn=other["LayerVersionArn"])),
            (role.delete_layer_version, dict(LayerName=layer["LayerArn"], VersionNumber=1)),
            (role.publish_layer_version,
             dict(LayerName="x", Content={"ZipFile": zip_of({"a": "b"})})),
            (role.list_layers, {})]:
        code, status, message = fails(call, **arguments)
        assert (code, status) == ("AccessDeniedException", 403)
        assert "assumed-role" in message and "lambda:" in message


# ── what functions see ──

def test_python_finds_modules_and_files(server, lam):
    below = publish(lam, {
        "python/one.py": "x = 'below'", "python/two.py": "x = 'below'", "etc/note": "below",
        f"python/lib/{VERSION}/site-packages/three/__init__.py": "x = 'site'",
        executable("bin/tool"): "#!/bin/sh\necho tool"})
    above = publish(lam, {"python/one.py": "x = 'above'", "etc/note": "above"})
    function = python(server, below, above)
    names = "[importlib.import_module(n).x for n in ('one', 'two', 'three')]"
    assert say(function, names) == ["above", "below", "site"]
    assert say(function, "open('/opt/etc/note').read()") == "above"
    assert say(function, "sorted(os.listdir('/opt'))") == ["bin", "etc", "python"]
    assert say(function, "os.popen('tool').read()") == "tool\n"
    path = say(function, "sys.path")
    site = f"/opt/python/lib/{VERSION}/site-packages"
    assert path[0] == "/var/task" and path.index(site) < path.index("/opt/python")
    assert say(function, "os.access('/opt/etc', os.W_OK)") is False


def test_the_function_comes_before_its_layers(server, lam):
    layer = publish(lam, {"python/one.py": "x = 'layer'"})
    function = python(server, layer, package=zip_of({"index.py": HANDLER, "one.py": "x = 'own'"}))
    assert say(function, "importlib.import_module('one').x") == "own"


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_shared_libraries(server, lam, tmp_path):
    (tmp_path / "a.c").write_text("int answer(void) { return 42; }")
    (tmp_path / "b.c").write_text("int answer(void); int twice(void) { return 2 * answer(); }")
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,libz1a.so", "-o", "libz1a.so", "a.c"],
                   cwd=tmp_path, check=True)
    subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-soname,liba1b.so", "-o", "liba1b.so", "b.c", "-L.",
                    "-lz1a"], cwd=tmp_path, check=True)
    layer = publish(lam, {f"lib/{name}": (tmp_path / name).read_bytes()
                          for name in ("libz1a.so", "liba1b.so")})
    function = python(server, layer)
    assert say(function, "__import__('ctypes').CDLL('liba1b.so').twice()") == 84
    assert "/opt/lib" in say(function, "os.environ['LD_LIBRARY_PATH']")


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_node_finds_modules(server, lam):
    layer = publish(lam, {"nodejs/node_modules/one/index.js": "exports.x = 'layer';"})
    function = deploy(server, zip_of({"index.js": "exports.handler = async () => require('one').x;"}),
                      "nodejs20.x", "index.handler", Layers=[layer["LayerVersionArn"]])
    assert function().json == "layer"


def test_bootstrap_in_a_layer(server, lam):
    bootstrap = ("#!/bin/sh\nA=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\n"
                 "while true; do\n"
                 "  id=$(curl -sS -D - -o /dev/null $A/next | tr -d '\\r' |"
                 " sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')\n"
                 "  curl -sS -o /dev/null -d \"\\\"$(cat $LAMBDA_TASK_ROOT/word)\\\"\" $A/$id/response\n"
                 "done\n")
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    layer = publish(lam, {executable("bootstrap"): bootstrap})
    function = deploy(server, zip_of({"word": "hello"}), "provided.al2023", "x",
                      Layers=[layer["LayerVersionArn"]])
    assert function().json == "hello"


def test_without_walls(make_server):
    rouse = make_server("--sandbox", "off")
    lam = rouse.client("lambda")
    below = publish(lam, {"python/one.py": "x = 'below'", "python/two.py": "x = 'below'"})
    above = publish(lam, {"python/one.py": "x = 'above'"})
    function = python(rouse, below, above)
    assert say(function, "[importlib.import_module(n).x for n in ('one', 'two')]") == [
        "above", "below"]


# ── life ──

def packages(rouse):
    return [p.name for p in (rouse.data / "packages").iterdir() if not p.name.startswith(".")]


def test_a_deleted_layer_works_on(make_server):
    rouse = make_server()
    lam = rouse.client("lambda")
    layer = publish(lam, {"python/one.py": "x = 'layer'"}, "one")
    again = publish(lam, {"python/one.py": "x = 'layer'"}, "two")
    assert again["Content"]["CodeSha256"] == layer["Content"]["CodeSha256"]
    assert len(packages(rouse)) == 1  # unpacked once
    function = python(rouse, layer)
    lam.delete_layer_version(LayerName="one", VersionNumber=1)
    lam.delete_layer_version(LayerName="two", VersionNumber=1)
    rouse.stop()
    rouse.start()
    assert say(function, "importlib.import_module('one').x") == "layer"
    lam.update_function_configuration(FunctionName=function.name, Timeout=9)
    assert fails(lam.update_function_configuration, FunctionName=function.name,
                 Layers=[layer["LayerVersionArn"]])[0] == "InvalidParameterValueException"
    assert len(packages(rouse)) == 2
    lam.update_function_configuration(FunctionName=function.name, Layers=[])
    wait_for(lambda: len(packages(rouse)) == 1)
    assert "Layers" not in lam.get_function_configuration(FunctionName=function.name)


def test_what_nobody_uses_is_removed(make_server):
    rouse = make_server()
    lam = rouse.client("lambda")
    function = python(rouse)
    assert say(function, "1") == 1
    lam.update_function_code(FunctionName=function.name,
                             ZipFile=zip_of({"index.py": HANDLER + "# changed"}))
    wait_for(lambda: len(packages(rouse)) == 1)
    assert say(function, "2") == 2
    assert fails(lam.create_function, FunctionName=function.name, Role=ROLE, Runtime="python3.11",
                 Handler="h.h", Code={"ZipFile": zip_of({"h.py": ""})})[0] == (
        "ResourceConflictException")
    lam.delete_function(FunctionName=function.name)
    wait_for(lambda: not packages(rouse))
    function = python(rouse)  # what was removed may come again
    assert say(function, "3") == 3
    time.sleep(1.5)
    assert len(packages(rouse)) == 1
