# SPDX-License-Identifier: Apache-2.0
"""rouse invoke local: functions that run here, without a server, as they would run there."""
import json
import os
import shutil
import signal
import subprocess

import pytest
from conftest import PATIENCE_S
from test_cli import FUNCTION, INVALID, NOT_FOUND, PROGRAM, UNSUPPORTED, Cli

YML = """
service: here
provider:
  name: aws
  runtime: {runtime}
  region: eu-west-1
  environment: {{A: provider, B: provider}}
functions:
  main: {{handler: {handler}, timeout: 9, memorySize: 200, environment: {{B: function}}}}
  model: {{handler: model.yaml, runtime: onnx}}
"""

PYTHON = """
import json, os, logging
print("imported")
def main(event, context):
    print("said")
    logging.getLogger().warning("logged")
    if event == "fail":
        raise KeyError("no such thing")
    if event == "exit":
        os._exit(3)
    if event == "odd":
        return {1, 2}
    if event == "bytes":
        return "é" * 100000
    names = ("A", "B", "C", "_HANDLER", "AWS_REGION", "AWS_LAMBDA_FUNCTION_NAME", "IS_LOCAL",
             "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_ENDPOINT_URL")
    client = context.client_context
    return {"event": event, "env": {n: os.environ.get(n) for n in names}, "id": context.aws_request_id,
            "arn": context.invoked_function_arn, "left": 0 < context.get_remaining_time_in_millis() <= 9000,
            "cwd": os.getcwd(), "client": client.custom if client else None}
"""

NODE = """
exports.main = async (event, context) => {
  console.log("said");
  if (event === "fail") throw new TypeError("no such thing");
  if (event === "stream") return {};
  return { event, b: process.env.B, left: context.getRemainingTimeInMillis() > 0 };
};
exports.stream = typeof awslambda === "undefined" ? null : awslambda.streamifyResponse(async (event, out) => {
  out.write("one ");
  if (event === "fail") throw new TypeError("half way");
  out.end("two");
});
"""


class Nowhere:
    """In place of a server: a data folder that no server has used."""

    def __init__(self, folder):
        self.data = folder / "nothing"


@pytest.fixture
def cli(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    return Cli(Nowhere(tmp_path), folder)


@pytest.fixture
def python(cli):
    cli.write("serverless.yml", YML.format(runtime="python3.11", handler="src/app.main"))
    cli.write("src/app.py", PYTHON)
    return cli


def call(cli, data, *more, function="main"):
    done = cli("invoke", "local", "-f", function, "-d", data, *more)
    return json.loads(done.out), done.err


def test_environment_and_context(python):
    got, said = call(python, '{"x": [1]}', "-e", "C=1=2", "--env", "A=given", "--context", '{"custom": {"k": "v"}}')
    assert got["event"] == {"x": [1]} and got["left"] is True and got["client"] == {"k": "v"}
    assert got["env"] == {"A": "given", "B": "function", "C": "1=2", "_HANDLER": "src/app.main",
                          "AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "here-dev-main",
                          "IS_LOCAL": "true", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "200", "AWS_ENDPOINT_URL": None}
    assert got["arn"] == "arn:aws:lambda:eu-west-1:000000000000:function:here-dev-main"
    assert got["cwd"] == str(python.folder)
    assert "imported" in said and "said" in said and f"\t{got['id']}\tlogged" in said
    assert sorted(p.name for p in python.folder.rglob("*")) == ["app.py", "serverless.yml", "src"]


@pytest.mark.parametrize("given, raw, seen", [
    ("text", False, "text"), ('{"a": 1}', True, '{"a": 1}'), ("[1, 2]", False, [1, 2]), ("é ü", False, "é ü"),
    ("", False, ""),
])
def test_events(python, given, raw, seen):
    got, _ = call(python, given, *(["--raw"] if raw else []))
    assert got["event"] == seen


def test_events_from_files(python):
    python.write("e.json", '{"from": "file"}')
    python.write("e.yml", "from: yaml\n")
    for name, data, seen in [("e.json", None, {"from": "file"}), ("e.yml", None, {"from": "yaml"}),
                             ("-", b'{"from": "pipe"}', {"from": "pipe"})]:
        done = python("invoke", "local", "-f", "main", "-p", name, data=data)
        assert json.loads(done.out)["event"] == seen
    assert json.loads(python("invoke", "local", "-f", "main").out)["event"] == {}
    assert "no.json" in python("invoke", "local", "-f", "main", "-p", "no.json", status=NOT_FOUND).err


def test_failures(python):
    done = python("invoke", "local", "-f", "main", "-d", "fail", status=FUNCTION)
    assert json.loads(done.out)["errorType"] == "KeyError" and "src/app.py" in done.err
    assert done.err.splitlines()[-1] == "Error: the function failed (Unhandled): 'no such thing'"
    done = python("invoke", "local", "-f", "main", "-d", "exit", status=FUNCTION)
    assert json.loads(done.out)["errorType"] == "Runtime.ExitError" and "exit status 3" in done.err
    done = python("invoke", "local", "-f", "main", "-d", "odd", status=FUNCTION)
    assert json.loads(done.out)["errorType"] == "Runtime.MarshalError"
    python.write("src/app.py", "import no_such_module\n")
    done = python("invoke", "local", "-f", "main", status=FUNCTION)
    assert "No module named 'no_such_module'" in json.loads(done.out)["errorMessage"]
    python.write("src/app.py", "raise ValueError('at import')\n")
    assert "at import" in python("invoke", "local", "-f", "main", status=FUNCTION).err


def test_large_answer(python):
    got, _ = call(python, "bytes")
    assert got == "é" * 100000


def test_bad_words(python):
    assert 'did you mean "main"?' in python("invoke", "local", "-f", "mian", status=NOT_FOUND).err
    assert "-f NAME is missing" in python("invoke", "local", status=INVALID).err
    assert "NAME=VALUE" in python("invoke", "local", "-f", "main", "-e", "A", status=INVALID).err
    assert "only a server runs" in python("invoke", "local", "-f", "model", status=UNSUPPORTED).err
    python.write("serverless.yml", YML.format(runtime="ruby3.3", handler="a.b"))
    assert "ruby3.3 is not served" in python("invoke", "local", "-f", "main", status=UNSUPPORTED).err


def test_the_local_server_is_what_code_calls(python, server):
    python.env["ROUSE_DATA"] = str(server.data)
    got, _ = call(python, "{}")
    assert got["env"]["AWS_ENDPOINT_URL"] == server.url


def test_virtual_environment(python, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run(["python3", "-m", "venv", "--without-pip", venv], check=True)
    package = next((venv / "lib").glob("python3*")) / "site-packages" / "only_here.py"
    package.write_text("ANSWER = 42\n")
    python.write("src/app.py", "import only_here\ndef main(event, context):\n    return only_here.ANSWER\n")
    python.env["VIRTUAL_ENV"] = str(venv)
    assert call(python, "{}")[0] == 42


@pytest.mark.skipif(not shutil.which("node"), reason="node not installed")
def test_node(cli):
    cli.write("serverless.yml", YML.format(runtime="nodejs20.x", handler="app.main") +
              "  stream: {handler: app.stream}\n")
    cli.write("app.js", NODE)
    got, said = call(cli, '{"x": 1}')
    assert got == {"event": {"x": 1}, "b": "function", "left": True} and "said" in said
    done = cli("invoke", "local", "-f", "main", "-d", "fail", status=FUNCTION)
    assert json.loads(done.out)["errorType"] == "TypeError"
    assert cli("invoke", "local", "-f", "stream").out == "one two"
    done = cli("invoke", "local", "-f", "stream", "-d", "fail", status=FUNCTION)
    assert json.loads(done.out)["errorMessage"] == "half way"


def test_programs(cli):
    cli.write("serverless.yml", YML.format(runtime="provided.al2023", handler="x"))
    assert "build it first" in cli("invoke", "local", "-f", "main", status=NOT_FOUND).err
    cli.write("bootstrap", "#!/bin/sh\necho $B $AWS_LAMBDA_RUNTIME_API\nexit 0\n").chmod(0o755)
    done = cli("invoke", "local", "-f", "main", status=FUNCTION)
    assert "function 127.0.0.1:" in done.err and "without providing a reason" in done.out
    cli.write("bootstrap", "#!/bin/sh\nkill -9 $$\n").chmod(0o755)
    assert "signal: killed" in cli("invoke", "local", "-f", "main", status=FUNCTION).out.lower()


def test_ctrl_c(python):
    python.write("src/app.py", "import time\ndef main(event, context):\n    print('slow', flush=True)\n    time.sleep(600)\n")
    process = subprocess.Popen([PROGRAM, "invoke", "local", "-f", "main"], cwd=python.folder, env=python.env,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr.readline() == "slow\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE_S) == -signal.SIGINT
    process.communicate()  # nobody holds the pipes any more
