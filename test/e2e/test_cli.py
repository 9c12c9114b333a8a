# SPDX-License-Identifier: Apache-2.0
"""The command line against a real server: what it prints, how it exits, and what is there afterwards,
as boto3 sees it."""
import json
import os
import pathlib
import pty
import random
import select
import shutil
import subprocess
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from conftest import BUILD, PATIENCE_S, ROOT

PROGRAM = BUILD / "rouse"
INVALID, NOT_FOUND, EXISTS, DENIED, BUSY, UNAVAILABLE, UNSUPPORTED, FUNCTION = 2, 4, 5, 6, 8, 10, 11, 14

ECHO = """
service: {name}
provider:
  name: aws
  runtime: onnx
functions:
  echo:
    handler: model.yaml
    events:
      - s3:
          bucket: {name}-in
          rules: [{{suffix: .json}}]
    destinations:
      onSuccess: arn:aws:s3:::{name}-out/answers/
"""


class Cli:
    """Runs rouse in a folder, for a server, with none of the caller's environment."""

    def __init__(self, server, folder):
        self.server, self.folder = server, pathlib.Path(folder)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "ROUSE_DATA": str(server.data),
                    "LANG": "C.UTF-8"}
        if "ROUSE_ONNXRUNTIME" in os.environ:
            self.env["ROUSE_ONNXRUNTIME"] = os.environ["ROUSE_ONNXRUNTIME"]

    def __call__(self, *args, status=0, env=None, data=None):
        done = subprocess.run([PROGRAM, *map(str, args)], cwd=self.folder, input=data,
                              env={**self.env, **(env or {})}, capture_output=True, timeout=PATIENCE_S)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert done.returncode == status, f"{args}: {done.returncode}\n{out}\n{err}"
        return type("Done", (), {"out": out, "err": err, "bytes": done.stdout})

    def json(self, *args, **more):
        return json.loads(self(*args, "--json", **more).out)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path


@pytest.fixture
def cli(server, tmp_path):
    return Cli(server, tmp_path)


@pytest.fixture
def project(cli):
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.full = f"{cli.name}-dev-echo"
    cli.write("serverless.yml", ECHO.format(name=cli.name))
    cli.write("model.yaml", "task: echo\n")
    return cli


def until(check):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("did not happen")


# ---- without a server

def test_help_and_version(cli):
    assert "rouse deploy" in cli("help").out
    assert cli().out == cli("--help").out == cli("help").out
    assert "--stage" in cli("deploy", "--help").out
    assert "--listen" in cli("serve", "--help").out
    assert cli("version").out.startswith("rouse ")
    assert cli.json("version")["version"] == cli("--version").out.split()[1]


@pytest.mark.parametrize("words, found", [
    (["dep"], ["deploy"]), (["deploy", "l"], ["list"]), (["invoke", "lo"], ["local"]),
    (["deploy", "--sta"], ["--stage"]), (["help", "met"], ["metrics"]), (["serve", "--lis"], ["--listen"]),
    (["xyzzy", "--"], []),
])
def test_completion(cli, words, found):
    script = cli("help", "--completion").out + f"""
COMP_WORDS=(rouse {" ".join(words)}); COMP_CWORD={len(words)}
_rouse
echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == found and done.stderr == ""


@pytest.mark.parametrize("words, said", [
    (["deplyo"], 'did you mean "rouse deploy"?'),
    (["xyzzy"], "See rouse help"),
    (["deploy", "--stgae", "x"], "did you mean --stage?"),
    (["deploy", "--stage"], "--stage needs a value"),
    (["ls", "a", "b"], "one too many"),
    (["put", "a"], "something is missing"),
    (["ls", "bucket"], "s3://bucket/key"),
    (["get", "s3://b"], "names no object"),
    (["invoke"], "-f NAME is missing"),
    (["invoke", "-f", "x", "-t", "event"], "did you mean Event?"),
    (["invoke", "-f", "x", "-d", "{}", "-p", "f"], "not both"),
    (["invoke", "locl", "-f", "x"], 'did you mean "rouse invoke local"?'),
    (["invoke", "x"], "the function's name follows -f"),
    (["invoke", "-f", "x", "-e", "A=b"], "--env is of rouse invoke local"),
    (["invoke", "local", "-f", "echo", "--log"], "not of rouse invoke local"),
    (["invoke", "-f", "x", "--context", "{"], "--context"),
    (["logs", "-f", "x", "--startTime", "soon"], "neither a time back"),
    (["model", "look", "x"], "rouse model"),
    (["create"], "--template is missing; there are aws-python3"),
    (["create", "--template", "onnx-image-clasifier"], 'did you mean "onnx-image-classifier"?'),
    (["create", "--template", "onnx-image-classifier", "--path", "x", "--name", "A B"], "cannot be a name"),
    (["help", "invok"], 'did you mean "invoke"?'),
    (["deploy", "--param", "x"], "KEY=VALUE"),
])
def test_bad_words(project, words, said):
    done = project(*words, status=INVALID)
    assert said in done.err and done.out == ""


def test_nobody_answers(cli):
    url = "http://127.0.0.1:1"
    assert "rouse serve" in cli("ls", "--endpoint-url", url, status=UNAVAILABLE).err
    assert "rouse serve" in cli("ls", env={"AWS_ENDPOINT_URL": url}, status=UNAVAILABLE).err
    error = json.loads(cli("ls", "--json", "--endpoint-url", url, status=UNAVAILABLE).err)
    assert error["exitStatus"] == UNAVAILABLE
    assert "no server has run" in cli("env", "--data", cli.folder / "none", status=NOT_FOUND).err


def test_create(cli):
    cli.write("my.onnx", "model")
    cli.write("names.txt", "cat\ndog\n")
    done = cli("create", "--template", "onnx-image-classifier", "--path", "My_Cats", "--model", "my.onnx",
               "--labels", "names.txt")
    assert "rouse deploy" in done.out
    made = cli.folder / "My_Cats"
    assert sorted(p.name for p in made.iterdir()) == ["README.md", "labels.txt", "model.yaml", "my.onnx",
                                                       "serverless.yml"]
    text = (made / "serverless.yml").read_text()
    assert "service: my-cats" in text and "{{" not in text
    assert "\nlabels: labels.txt" in (made / "model.yaml").read_text()
    again = cli("create", "--template", "onnx-image-classifier", "--path", "My_Cats", status=EXISTS)
    assert "there already" in again.err
    cli("create", "--template", "onnx-image-classifier", "--path", "xx", "--model", "no.onnx",
        status=NOT_FOUND)
    assert not (cli.folder / "xx").exists()


def test_create_describes_the_model(cli):
    digits = ROOT / "examples" / "digits"
    done = cli("create", "-t", "onnx-image-classifier", "-p", "dd", "-m", digits / "digits.onnx",
               "-l", digits / "labels.txt")
    text = (cli.folder / "dd/model.yaml").read_text()
    assert "\nlabels: labels.txt" in text and "\nmodel: digits.onnx" in text and "Warning" not in done.err
    assert "type: float32" in text and "{{" not in text
    cli.write("short.txt", "one\n")
    done = cli("create", "-t", "onnx-image-classifier", "-p", "ee", "-m", digits / "digits.onnx", "-l", "short.txt")
    assert "labels: there are 1, but the model knows 10 classes" in done.err
    cli.write("bad.onnx", "no model")
    done = cli("create", "-t", "onnx-image-classifier", "-p", "ff", "-m", "bad.onnx")
    assert "model.yaml is a guess" in done.err and "model: bad.onnx" in (cli.folder / "ff/model.yaml").read_text()


def test_create_without_a_model_says_what_is_missing(cli):
    made = cli.json("create", "--template", "onnx-image-classifier", "--path", "dogs")
    assert made["service"] == "dogs" and "model.yaml" in made["files"]
    cli.folder = cli.folder / "dogs"
    error = cli("deploy", status=INVALID).err
    assert 'model.yaml:4:8: there is no file "model.onnx"' in error


def test_inspect(cli):
    model = ROOT / "examples" / "digits" / "digits.onnx"
    done = subprocess.run([PROGRAM, "model", "inspect", model], capture_output=True, text=True,
                          env={**os.environ}, timeout=PATIENCE_S)
    if done.returncode and "not installed" in done.stderr:
        pytest.skip("without ONNX Runtime")
    assert done.returncode == 0, done.stderr
    assert "image" in done.stdout and "float32" in done.stdout and "task: image-class" in done.stdout
    cli("model", "inspect", "none.onnx", status=NOT_FOUND)
    cli.write("bad.onnx", "this is no model")
    cli("model", "inspect", "bad.onnx", status=INVALID)


# ---- the server, objects

def test_env(cli, server):
    out = cli("env").out
    assert f"export AWS_ENDPOINT_URL='{server.url}'" in out
    shell = subprocess.run(["sh", "-c", 'eval "$0"; echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"', out],
                           capture_output=True, text=True, timeout=PATIENCE_S)
    assert shell.stdout.split() == [server.access_key, server.secret_key]
    assert cli.json("env")["AWS_REGION"] == "us-east-1"


def test_credentials(cli, server):
    mine = {"AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "x"}
    cli("ls", env=mine)  # keys of somewhere else do not stand in the way of the local server
    assert "rouse env" in cli("ls", env={**mine, "AWS_ENDPOINT_URL": server.url}, status=DENIED).err


def test_objects(cli, server):
    bucket = "cli-" + uuid.uuid4().hex[:8]
    server.client("s3").create_bucket(Bucket=bucket)
    data = random.Random(1).randbytes(3_000_000)
    cli.write("a b+ü.bin", data)
    cli.write("two.txt", "two")
    cli("put", "a b+ü.bin", "two.txt", f"s3://{bucket}/deep/er/")
    cli("put", "two.txt", f"s3://{bucket}/named")
    assert "two.txt -> s3" in cli("put", "two.txt", f"s3://{bucket}").out
    head = server.client("s3").head_object(Bucket=bucket, Key="deep/er/two.txt")
    assert head["ContentType"] == "text/plain" and head["ContentLength"] == 3
    rows = cli.json("ls", f"s3://{bucket}")
    assert [r.get("key", r.get("prefix")) for r in rows] == ["deep/", "named", "two.txt"]
    assert len(cli.json("ls", "-R", f"s3://{bucket}")) == 4
    assert "3 MB" in cli("ls", f"s3://{bucket}/deep/er/").out
    cli("get", f"s3://{bucket}/deep/er/a b+ü.bin", "back.bin")
    assert (cli.folder / "back.bin").read_bytes() == data
    assert cli("get", f"s3://{bucket}/deep/er/a b+ü.bin", "-").bytes == data
    assert bucket in cli("ls").out
    assert "NoSuchKey" in cli("get", f"s3://{bucket}/none", "x", status=NOT_FOUND).err
    assert not (cli.folder / "x").exists() and not list(cli.folder.glob("*.part"))
    cli("ls", "s3://none-" + uuid.uuid4().hex, status=NOT_FOUND)
    cli("put", "none", f"s3://{bucket}", status=NOT_FOUND)


def test_many_objects(cli, server):
    bucket = "cli-" + uuid.uuid4().hex[:8]
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    for i in range(1005):  # more than a page
        s3.put_object(Bucket=bucket, Key=f"{i:04}", Body=b"")
    rows = cli.json("ls", f"s3://{bucket}")
    assert [r["key"] for r in rows] == [f"{i:04}" for i in range(1005)]


# ---- deployments

def test_deploy_invoke_remove(project, server):
    cli, name = project, project.name
    done = cli("deploy")
    assert f"Service deployed to stack {name}-dev" in done.out and f"echo: {cli.full} (" in done.out
    assert "Deploying" in done.err and "\033" not in done.err + done.out
    assert "No changes to deploy" in cli("deploy").out
    assert cli.json("deploy")["changed"] is False
    assert cli.json("info")["functions"]["echo"]["state"] == "Active"

    answer = cli.json("invoke", "-f", "echo", "-d", '{"a": [1]}')
    assert answer["Payload"] == {"a": [1]} and answer["StatusCode"] == 200
    assert answer["FunctionError"] is None and answer["Tier"] and answer["DurationMs"] > 0
    assert cli("invoke", "-f", cli.full, "-d", "plain").out == '"plain"\n'
    assert cli("invoke", "-f", "echo", "-d", '{"a": 1}', "--raw").out == '"{\\"a\\": 1}"\n'
    assert cli("invoke", "-f", "echo", "-p", "-", data=b"\x00\xff").bytes == b"\x00\xff"
    cli.write("event.yml", "a: [1, two]\n")
    assert cli.json("invoke", "-f", "echo", "-p", "event.yml")["Payload"] == {"a": [1, "two"]}
    assert "REPORT RequestId" in cli("invoke", "-f", "echo", "-d", "{}", "--log").err

    cli.write("event.json", "{}")
    cli("put", "event.json", f"s3://{name}-in")
    key = until(lambda: cli.json("ls", f"s3://{name}-out/answers/"))[0]["key"]
    result = cli("get", f"s3://{name}-out/{key}", "-").out
    assert json.loads(result)["responsePayload"]["Records"][0]["s3"]["object"]["key"] == "event.json"
    assert "REPORT RequestId" in cli("logs", "-f", "echo").out
    assert cli("logs", "-f", "echo", "--filter", "no such text").out == ""
    lines = cli("logs", "-f", "echo", "--json").out.splitlines()
    assert any(json.loads(line)["message"].startswith("REPORT") for line in lines)

    assert cli.json("remove")["removed"] == [cli.full]
    assert cli.json("remove")["removed"] == []
    cli("invoke", "-f", "echo", status=NOT_FOUND)
    buckets = cli("ls").out
    assert f"{name}-in" in buckets and f"{name}-dev-serverlessdeploymentbucket" not in buckets
    left = server.client("s3").get_bucket_notification_configuration(Bucket=f"{name}-in")
    assert "LambdaFunctionConfigurations" not in left
    with pytest.raises(ClientError):
        server.client("iam").get_role(RoleName=f"{name}-dev-us-east-1-lambdaRole")


def edit(cli, old, new):
    text = (cli.folder / "serverless.yml").read_text()
    assert old in text
    cli.write("serverless.yml", text.replace(old, new))


def test_only_what_changed(project, server):
    cli, lam = project, server.client("lambda")
    cli("deploy")
    first = lam.get_function(FunctionName=cli.full)["Configuration"]
    edit(cli, "handler: model.yaml", "handler: model.yaml\n    memorySize: 256\n    reservedConcurrency: 2\n"
         "    maximumRetryAttempts: 1\n    environment: {MODE: b}\n    tags: {t: u}")
    said = cli("deploy", "--verbose").err
    assert "updated configuration" in said and "updated code" not in said and "reserved" in said
    there = lam.get_function(FunctionName=cli.full)
    assert there["Configuration"]["MemorySize"] == 256
    assert there["Configuration"]["CodeSha256"] == first["CodeSha256"]
    assert there["Configuration"]["Environment"]["Variables"] == {"MODE": "b"}
    assert there["Concurrency"]["ReservedConcurrentExecutions"] == 2 and there["Tags"] == {"t": "u"}
    config = lam.get_function_event_invoke_config(FunctionName=cli.full)
    assert config["MaximumRetryAttempts"] == 1
    assert config["DestinationConfig"]["OnSuccess"]["Destination"].endswith(f"{cli.name}-out/answers/")

    cli.write("model.yaml", "task: echo # changed\n")
    said = cli("deploy", "--verbose").err
    assert "updated code" in said and "updated configuration" not in said
    edit(cli, "    reservedConcurrency: 2\n    maximumRetryAttempts: 1\n    environment: {MODE: b}\n    tags: {t: u}",
         "")
    cli("deploy")
    there = lam.get_function(FunctionName=cli.full)
    assert "Concurrency" not in there and not there.get("Tags")
    assert not there["Configuration"].get("Environment", {}).get("Variables")
    assert "No changes" in cli("deploy").out
    assert "updated code" in cli("deploy", "--force", "--verbose").err
    cli("remove")


def test_other_notifications_stay(project, server):
    cli, name = project, project.name
    s3, lam = server.client("s3"), server.client("lambda")
    cli("deploy")
    arn = lam.get_function(FunctionName=cli.full)["Configuration"]["FunctionArn"]
    other = arn.replace(cli.full, cli.full + "-other")
    lam.create_function(FunctionName=cli.full + "-other", Runtime="onnx", Handler="model.yaml",
                        Role="arn:aws:iam::000000000000:role/x",
                        Code={"ZipFile": (cli.folder / ".serverless" / f"{name}.zip").read_bytes()})
    before = s3.get_bucket_notification_configuration(Bucket=f"{name}-in")["LambdaFunctionConfigurations"]
    assert len(before) == 1
    theirs = {"Id": "theirs", "LambdaFunctionArn": other, "Events": ["s3:ObjectRemoved:*"],
              "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "a b&<"}]}}}
    lam.add_permission(FunctionName=other, StatementId="s3", Action="lambda:InvokeFunction",
                       Principal="s3.amazonaws.com")
    s3.put_bucket_notification_configuration(
        Bucket=f"{name}-in", NotificationConfiguration={"LambdaFunctionConfigurations": before + [theirs]})
    assert "No changes" in cli("deploy").out
    edit(cli, "suffix: .json", "suffix: .txt")
    cli("deploy")

    def entries():
        config = s3.get_bucket_notification_configuration(Bucket=f"{name}-in")
        return {e["LambdaFunctionArn"]: e for e in config.get("LambdaFunctionConfigurations", [])}
    now = entries()
    assert now[other]["Id"] == "theirs" and now[other]["Events"] == ["s3:ObjectRemoved:*"]
    assert now[other]["Filter"]["Key"]["FilterRules"][0]["Value"] == "a b&<"
    assert now[arn]["Filter"]["Key"]["FilterRules"][0]["Value"] == ".txt"
    cli("remove")
    assert list(entries()) == [other]
    lam.delete_function(FunctionName=other)


def test_functions_come_and_go(project, server):
    cli, lam = project, server.client("lambda")
    cli("deploy")
    edit(cli, "  echo:\n", "  second:\n    handler: model.yaml\n    destinations: {onFailure: third}\n"
         "  third:\n    handler: model.yaml\n  echo:\n    name: %s-renamed\n" % cli.name)
    cli("deploy")
    names = {f["FunctionName"] for page in lam.get_paginator("list_functions").paginate()
             for f in page["Functions"]}
    assert {f"{cli.name}-dev-second", f"{cli.name}-dev-third", f"{cli.name}-renamed"} <= names
    assert cli.full not in names
    config = lam.get_function_event_invoke_config(FunctionName=f"{cli.name}-dev-second")
    assert config["DestinationConfig"]["OnFailure"]["Destination"].endswith(f":{cli.name}-dev-third")
    only = cli.json("deploy", "-f", "second")
    assert list(only["functions"]) == ["second"]
    assert "did you mean" in cli("deploy", "-f", "secnd", status=NOT_FOUND).err
    assert sorted(cli.json("remove")["removed"]) == sorted(
        [f"{cli.name}-dev-second", f"{cli.name}-dev-third", f"{cli.name}-renamed"])


def test_events_that_fail(project, server):
    cli, lam = project, server.client("lambda")

    def target(name="second"):
        config = lam.get_function_configuration(FunctionName=f"{cli.name}-dev-{name}")
        return config.get("DeadLetterConfig", {}).get("TargetArn")

    edit(cli, "  echo:\n", "  second:\n    handler: model.yaml\n    onError: third\n  third:\n    handler: model.yaml\n"
         f"    onError: arn:aws:s3:::{cli.name}-dead/letters/\n  echo:\n")
    cli("deploy")
    assert target().endswith(f":{cli.name}-dev-third")
    assert target("third") == f"arn:aws:s3:::{cli.name}-dead/letters/"
    server.client("s3").head_bucket(Bucket=f"{cli.name}-dead")
    assert "No changes" in cli("deploy").out
    edit(cli, "    onError: third\n", "")
    cli("deploy")
    assert target() is None
    edit(cli, f"arn:aws:s3:::{cli.name}-dead/letters/", "arn:aws:sns:us-east-1:000000000000:t")
    assert "onError" in cli("deploy", status=INVALID).err
    edit(cli, "arn:aws:sns:us-east-1:000000000000:t", "third")
    assert "dead-letter target for itself" in cli("deploy", status=INVALID).err
    cli("remove")


def test_another_interpreter_is_told(cli):
    absent = next(v for v in ("python3.14", "python3.8", "python3.9") if not shutil.which(v))
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.write("serverless.yml", f"service: {cli.name}\nprovider: {{name: aws, runtime: {absent}}}\n"
              "functions:\n  a: {handler: a.handler}\n  b: {handler: a.handler}\n")
    cli.write("a.py", "def handler(event, context):\n    return 1\n")
    said = cli("deploy").err
    assert said.count(f"Warning: {absent} is not installed here: the function runs with /") == 1
    assert "Warning" not in cli("deploy").err
    cli("remove")


def test_what_builds_a_project_may_be_missing(project):
    edit(project, "functions:", "custom:\n  scripts:\n    hooks:\n      before:package:initialize: no-such-tool x\nfunctions:")
    said = project("deploy", status=FUNCTION).err
    assert "no-such-tool: not found" in said and "a program that it needs is not installed" in said


def test_stages(project, server):
    cli = project
    edit(cli, "{suffix: .json}", "{suffix: '.${sls:stage}'}")
    edit(cli, f"bucket: {cli.name}-in", f"bucket: {cli.name}-${{sls:stage}}")
    cli("deploy")
    cli("deploy", "--stage", "prod")
    lam = server.client("lambda")
    for stage in ("dev", "prod"):
        lam.get_function(FunctionName=f"{cli.name}-{stage}-echo")
    assert cli.json("remove", "-s", "prod")["removed"] == [f"{cli.name}-prod-echo"]
    lam.get_function(FunctionName=cli.full)
    cli("remove")


def test_role(project, server):
    cli, iam = project, server.client("iam")
    edit(cli, "  runtime: onnx\n", "  runtime: onnx\n  iam:\n    role:\n      statements:\n"
         "        - Effect: Allow\n          Action: s3:GetObject\n          Resource: 'arn:aws:s3:::x/*'\n")
    cli("deploy")
    role = f"{cli.name}-dev-us-east-1-lambdaRole"
    document = iam.get_role_policy(RoleName=role, PolicyName=f"{cli.name}-dev-lambda")["PolicyDocument"]
    assert {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::x/*"} in document["Statement"]
    there = server.client("lambda").get_function(FunctionName=cli.full)["Configuration"]
    assert there["Role"].endswith(":role/" + role)
    edit(cli, "s3:GetObject", "s3:PutObject")
    assert "set role" in cli("deploy", "--verbose").err
    assert "No changes" in cli("deploy").out
    cli("remove")


def test_large_package_goes_by_s3(project, server):
    cli = project
    cli.write("large.bin", random.Random(2).randbytes(17_000_000))
    cli("deploy")
    there = server.client("lambda").get_function(FunctionName=cli.full)["Configuration"]
    assert there["CodeSize"] > 17_000_000
    assert "No changes" in cli("deploy").out
    cli("remove")
    assert f"{cli.name}-dev-serverlessdeploymentbucket" not in cli("ls").out


def test_packages(project):
    cli = project
    cli.write("packages/none", "")
    missing = cli("deploy", "--package", "packages", status=NOT_FOUND)
    assert f"packages/{cli.name}.zip" in missing.err
    cli("deploy")
    os.rename(cli.folder / ".serverless" / f"{cli.name}.zip", cli.folder / "packages" / f"{cli.name}.zip")
    assert "No changes" in cli("deploy", "--package", "packages").out
    cli("remove")


def test_broken_model_is_told(project):
    cli = project
    cli.write("model.yaml", "task: image-classification\nmodel: m.onnx\n")
    cli.write("m.onnx", "this is no model")
    error = cli("deploy", status=FUNCTION).err
    assert "functions.echo" in error
    cli.write("model.yaml", "task: echo\n")
    assert "Service deployed" in cli("deploy").out  # and it can be mended
    assert cli.json("invoke", "-f", "echo", "-d", "1")["Payload"] == 1
    cli("remove")


def test_turned_off(project):
    edit(project, "handler: model.yaml", "handler: model.yaml\n    reservedConcurrency: 0")
    project("deploy")
    error = json.loads(project("invoke", "-f", "echo", "-d", "{}", "--json", status=BUSY).err)
    assert error["error"] == "TooManyRequestsException" and error["exitStatus"] == BUSY
    project("remove")


def test_bad_files(project):
    edit(project, "handler: model.yaml", "handlr: model.yaml")
    assert 'serverless.yml:8:5: unknown key "handlr" in functions.echo, did you mean "handler"?' in \
        project("deploy", status=INVALID).err
    project.write("serverless.yml", ECHO.format(name=project.name) + "    vpc: {securityGroupIds: [s], subnetIds: [t]}\n")
    assert "valid but not honoured yet: functions.echo.vpc (line" in project("deploy").err
    project("remove")
    (project.folder / "serverless.yml").unlink()
    assert "rouse create" in project("deploy", status=NOT_FOUND).err
    assert "version" in project.json("info")  # elsewhere: the server's own account


# ---- terminals

def on_terminal(cli, *args, env=None):
    """What a person sees: standard output and error are one terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(cli.folder)
        os.execve(PROGRAM, [str(PROGRAM), *args], {**cli.env, "TERM": "xterm", **(env or {})})
    seen = b""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode(errors="replace")


def test_terminal(project):
    status, seen = on_terminal(project, "deploy")
    assert status == 0 and "\033[32m✔" in seen and "\r\033[K" in seen
    assert seen.rstrip().splitlines()[-1].strip().startswith("echo: ")
    status, seen = on_terminal(project, "info", env={"NO_COLOR": "1"})
    assert status == 0 and "\033[3" not in seen and "stack:" in seen
    status, seen = on_terminal(project, "version", "--json")
    assert json.loads(seen)["version"]
    project("remove")


def test_interrupted_logs(project):
    project("deploy")
    tail = subprocess.Popen([PROGRAM, "logs", "-f", "echo", "--tail"], cwd=project.folder, env=project.env,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        project("invoke", "-f", "echo", "-d", "{}")
        assert select.select([tail.stdout], [], [], PATIENCE_S)[0]
        assert b"START RequestId" in os.read(tail.stdout.fileno(), 65536)
        tail.send_signal(2)
        assert tail.wait(PATIENCE_S) in (-2, 130)
    finally:
        tail.kill()
        tail.wait()
        tail.stdout.close()
        tail.stderr.close()
    project("remove")


# ---- what else users of the Framework type

PAIR = """
service: {name}
provider: {{name: aws, runtime: python3.12, memorySize: 128}}
functions:
  good: {{handler: app.good, timeout: {timeout}}}
  bad: {{handler: app.bad}}
"""


@pytest.fixture
def pair(cli):
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.write("serverless.yml", PAIR.format(name=cli.name, timeout=7))
    cli.write("app.py", "def good(event, context):\n    return 1\n\ndef bad(event, context):\n    raise ValueError(event)\n")
    return cli


def test_deploy_function(pair, server):
    cli = pair
    assert "is not deployed yet" in cli("deploy", "function", "-f", "good", status=NOT_FOUND).err
    cli("deploy")
    lam = server.client("lambda")

    def now(name):
        got = lam.get_function_configuration(FunctionName=f"{cli.name}-dev-{name}")
        return got["CodeSha256"], got["Timeout"]

    good, bad = now("good"), now("bad")
    cli.write("app.py", (cli.folder / "app.py").read_text().replace("return 1", "return 2"))
    cli.write("serverless.yml", PAIR.format(name=cli.name, timeout="8, events: [{s3: not-made-by-this}]"))
    cli("deploy", "function", "-f", "good", "--update-config")
    assert now("good") == (good[0], 8) and cli.json("invoke", "-f", "good")["Payload"] == 1
    assert cli.json("deploy", "function", "-f", "good")["functions"]["good"]["action"] == "updated"
    assert now("good")[0] != good[0] and cli.json("invoke", "-f", "good")["Payload"] == 2
    assert now("bad") == bad and "not-made-by-this" not in cli("ls").out


def test_deploy_list(pair):
    cli = pair
    assert "There are no deployments" in cli("deploy", "list").out and cli.json("deploy", "list") == []
    cli("deploy")
    cli("deploy")  # changes nothing, is none
    cli.write("serverless.yml", PAIR.format(name=cli.name, timeout=9))
    cli("deploy")
    first, second = cli.json("deploy", "list")
    assert f"created function {cli.name}-dev-good" in first["changes"]
    assert second["changes"] == [f"updated configuration of {cli.name}-dev-good"]
    assert f"  updated configuration of {cli.name}-dev-good" in cli("deploy", "list").out
    assert cli.json("deploy", "list", "functions") == {"good": ["$LATEST"], "bad": ["$LATEST"]}
    cli("remove")
    assert "good: not deployed" in cli("deploy", "list", "functions").out


@pytest.mark.parametrize("words, said", [
    (["deploy", "functon", "-f", "x"], 'did you mean "rouse deploy function"?'),
    (["deploy", "function"], "-f NAME is missing"),
    (["deploy", "list", "buckets"], "one too many, buckets"),
    (["deploy", "--update-config"], "of rouse deploy function"),
    (["metrics", "--startTime", "soon"], "--startTime"),
])
def test_bad_words_of_deploy_and_metrics(pair, words, said):
    assert said in pair(*words, status=INVALID).err


def test_metrics(pair):
    cli = pair
    cli("deploy")
    for _ in range(3):
        cli("invoke", "-f", "good")
    cli("invoke", "-f", "bad", "-d", "1", status=FUNCTION)
    found = cli.json("metrics")["functions"]
    assert (found["good"]["invocations"], found["good"]["errors"], found["good"]["throttles"]) == (3, 0, 0)
    assert (found["bad"]["invocations"], found["bad"]["errors"]) == (1, 1)
    d = found["good"]["durationMs"]
    assert 0 < d["average"] <= d["max"] and d["median"] <= d["p95"] <= d["max"]
    assert cli.json("metrics", "-f", "bad", "--startTime", "1h")["functions"].keys() == {"bad"}
    assert cli.json("metrics", "--startTime", "2h", "--endTime", "1h")["functions"]["good"]["invocations"] == 0
    table = cli("metrics").out.splitlines()
    assert table[0].split()[:4] == ["function", "invocations", "errors", "throttles"]
    assert table[1].split()[:3] == ["good", "3", "0"] and table[2].split()[:3] == ["bad", "1", "1"]
    assert "There is no function" in cli("metrics", "-f", "none", status=NOT_FOUND).err


def test_package_and_print(pair):
    cli = pair
    rows = cli.json("package", "--package", "out")
    assert list(rows) == [f"out/{cli.name}.zip"] and (cli.folder / f"out/{cli.name}.zip").exists()
    assert f".serverless/{cli.name}.zip (" in cli("package").out
    (cli.folder / "app.py").unlink()
    done = cli.json("deploy", "--package", "out")
    assert done["functions"]["good"]["action"] == "created" and cli.json("invoke", "-f", "good")["Payload"] == 1
    assert cli.json("print")["functions"]["good"]["timeout"] == 7
    assert f"none/{cli.name}.zip" in cli("deploy", "--package", "none", status=NOT_FOUND).err
