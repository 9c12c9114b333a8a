# SPDX-License-Identifier: Apache-2.0
"""rouse.h: functions in C over the Runtime API, built as a user would, with cc and nothing else."""
import base64
import io
import shutil
import subprocess
import zipfile

import pytest
from conftest import ROOT, zip_of
from runtime_support import deploy, executable

SOURCES = ROOT / "src/runtime/c"
CC = shutil.which("cc") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(CC is None, reason="cc not installed")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("c") / "bootstrap"
    subprocess.run([CC, "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-I", SOURCES, "-o", out,
                    ROOT / "test/clients/c/greeter.c", SOURCES / "rouse.c"], check=True)
    return zip_of({executable("bootstrap"): out.read_bytes()})


@pytest.fixture(scope="module")
def greeter(server, package):
    return deploy(server, package, "provided.al2023", "bootstrap", Timeout=20, MemorySize=128)


def test_it_answers(greeter):
    first = greeter("hello", ClientContext=base64.b64encode(b'{"a": "b"}').decode())
    assert (first.status, first.error) == (200, None), first.log
    assert first.json["requestId"] == first.request_id and first.json["left"] is True
    assert first.json["arn"].endswith(":function:" + greeter.name)
    assert (first.json["size"], first.json["client"]) == (7, '{"a":"b"}')
    assert f"greeting {first.json['count']}" in first.lines
    again = greeter("hello")
    assert (again.json["count"], again.json["client"]) == (first.json["count"] + 1, "")


def test_texts_become_json(greeter):
    said = greeter("quote").json
    assert said == 'a"\\\n\x01 é € 😀 ' + "\ufffd" * 6 + " z"


def test_nothing_is_null(greeter):
    assert greeter("none").raw == b"null"


@pytest.mark.parametrize("size", [1, 70_000, 5_000_000])
def test_large_answers_and_events(greeter, size):
    assert greeter(f"large{size}").json == "x" * size
    assert greeter("y" * size).json["size"] == size + 2


def test_an_answer_that_is_too_large(greeter):
    answer = greeter("large7000000")
    assert answer.error == "Unhandled" and answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert greeter("hello").error is None


def test_it_fails(greeter):
    answer = greeter("fail")
    assert (answer.status, answer.error) == (200, "Unhandled")
    assert answer.json == {"errorMessage": 'no "greeting" for Bob\t\ufffd', "errorType": "Greeting_Error",
                           "stackTrace": []}
    assert greeter("hello").error is None  # it lives on


def test_it_ends(greeter):
    answer = greeter("exit")
    assert answer.json["errorType"] == "Runtime.ExitError" and "exit status 3" in answer.json["errorMessage"]
    assert greeter("hello").json["count"] == 1  # a new one


def test_it_cannot_start(server, package):
    function = deploy(server, package, "provided.al2023", "bootstrap",
                      Environment={"Variables": {"NO_MODEL": "/opt/m"}})
    answer = function("hello")
    assert answer.json["errorType"] == "NoModel" and answer.json["errorMessage"] == 'there is no model at "/opt/m"'


def test_by_hand(package, tmp_path):
    program = tmp_path / "bootstrap"
    program.write_bytes(zipfile.ZipFile(io.BytesIO(package)).read("bootstrap"))
    program.chmod(0o755)
    done = subprocess.run([program], env={}, capture_output=True, text=True)
    assert done.returncode == 1 and "AWS_LAMBDA_RUNTIME_API is not set" in done.stderr
    for nowhere in ("127.0.0.1:1", "nowhere", "no.such.host.at.all.example:1"):
        done = subprocess.run([program], env={"AWS_LAMBDA_RUNTIME_API": nowhere}, capture_output=True, text=True)
        assert done.returncode == 1 and "does not answer" in done.stderr
