# SPDX-License-Identifier: Apache-2.0
"""`quantize` of a function: its model is quantized after it was deployed, while it serves as it is; what
comes of it is in its configuration, its log and `rouse info`, and is still there after a restart."""
import base64
import json
import os
import pathlib
import signal
import time
import uuid

import pytest
from conftest import ROOT, zip_of
from runtime_support import ROLE
from test_cli import INVALID, Cli, until
from test_lambda_invoke import get

onnx = pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
from test_quantize import make_models, pictures, small_net  # noqa: E402

ENGINE = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")

TOKENS = {"inputs": {"input_ids": [list(range(5, 21))], "attention_mask": [[1] * 16]}}
MODEL = "task: tensor\nmodel: model.onnx\n"


@pytest.fixture(scope="module")
def bert():
    return make_models.bert_tiny().SerializeToString()


@pytest.fixture
def cli(server, tmp_path):
    return Cli(server, tmp_path)


def call(server, method, path, body=None):
    """(status, JSON) of an operation of Lambda's, with members that SDKs refuse."""
    status, _, text = get(server, "/2015-03-31/functions" + path, method=method,
                          body=None if body is None else json.dumps(body).encode())
    return status, json.loads(text) if text else None


def create(server, files, quantize, **more):
    name = "small-" + uuid.uuid4().hex[:8]
    body = {"FunctionName": name, "Runtime": "onnx", "Role": ROLE, "MemorySize": 512, "Timeout": 60,
            "Code": {"ZipFile": base64.b64encode(zip_of(files)).decode()}, "Quantize": quantize, **more}
    status, answer = call(server, "POST", "", body)
    assert status == 201, answer
    until(lambda: configuration(server, name)["State"] != "Pending")
    return name


def configuration(server, name):
    status, answer = call(server, "GET", f"/{name}/configuration")
    assert status == 200, answer
    return answer


def settled(server, name):
    """QuantizeStatus when it is no longer under way."""
    return until(lambda: (status := configuration(server, name)["QuantizeStatus"])["State"]
                 != "InProgress" and status)


def ask(server, name, payload=None):
    got = server.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload or TOKENS).encode())
    answer = json.loads(got["Payload"].read())
    assert "FunctionError" not in got, answer
    return np.concatenate([np.ravel(one["data"]) for one in answer["outputs"].values()])


def runner_of(server, out):
    """The pid of the process that quantizes, or None."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--quantize" in words and any(str(server.data).encode() in word for word in words):
            return int(folder.name)
    return None


# ---- what comes of it

def test_from_serverless_yml(cli, server, bert):
    service = "q-" + uuid.uuid4().hex[:8]
    text = f"""
service: {service}
provider: {{name: aws, runtime: onnx}}
functions:
  embed: {{handler: model.yaml, timeout: 60, quantize: dynamic}}
"""
    cli.write("serverless.yml", text)
    cli.write("model.yaml", MODEL)
    cli.write("model.onnx", bert)
    cli("deploy")
    name = f"{service}-dev-embed"
    before = ask(server, name)  # at once, as float
    status = settled(server, name)
    assert status["State"] == "Kept" and status["Method"] == "dynamic", status
    assert status["SamplesMadeUp"] and status["Size"] * 3 < status["OriginalSize"]
    after = ask(server, name)
    assert not np.array_equal(before, after), "it is still the float model"
    assert before @ after / np.sqrt((before @ before) * (after @ after)) > 0.98
    assert "Rouse.Quantized: dynamic int8" in cli("logs", "-f", "embed").out
    assert "quantize: dynamic int8, " in cli("info").out
    row = next(f for f in cli.json("info", "--server")["functions"] if f["name"] == name)
    assert row["quantize"]["State"] == "Kept"
    assert "No changes" in cli("deploy").out
    cli.write("serverless.yml", text.replace(", quantize: dynamic", ""))
    cli("deploy")
    assert "QuantizeStatus" not in configuration(server, name)
    assert np.array_equal(ask(server, name), before)
    cli("remove")


def test_calibrated(server, tmp_path):
    photos = {f"photos/{p.name}": p.read_bytes() for p in pictures(tmp_path / "p", 4).iterdir()}
    name = create(server, {"model.onnx": small_net().SerializeToString(), **photos},
                  {"Method": "static", "Calibrate": "photos", "KeepAccuracy": 0.9}, Publish=True)
    status = settled(server, name)
    assert status["State"] == "Kept" and status["Samples"] == 4 and not status["SamplesMadeUp"], status
    assert status["Method"] == "static" and status["Metric"] == "equal answers (top 1)"
    _, version = call(server, "GET", f"/{name}/configuration?Qualifier=1")
    assert version["QuantizeStatus"] == status  # published with the same code


def test_float_stays(server):
    name = create(server, {"model.onnx": make_models.add().SerializeToString(), "model.yaml": MODEL},
                  {"Method": "auto"})
    status = settled(server, name)
    assert status["State"] == "Float" and "no MatMul" in status["Reason"]
    told = server.client("lambda").get_function_configuration(FunctionName=name)
    assert told["State"] == "Active" and told["StateReason"].startswith("Quantize: ")
    answer = ask(server, name, {"inputs": {"a": [1.0], "b": [2.0]}})
    assert answer.tolist() == [3.0]


# ---- failures

def test_no_samples_in_the_package(server, cli, bert):
    name = create(server, {"model.onnx": bert, "model.yaml": MODEL},
                  {"Method": "static", "Calibrate": "nowhere"})
    status = settled(server, name)
    assert status["State"] == "Failed" and "nowhere" in status["Reason"]
    ask(server, name)
    assert "Rouse.NotQuantized: Failed" in cli("logs", "-f", name).out
    text = "service: x\nprovider: {name: aws, runtime: onnx}\nfunctions:\n  f: {quantize: {calibrate: none}}\n"
    cli.write("serverless.yml", text)
    cli.write("model.yaml", "task: echo\n")
    assert "nothing of none is in the package" in cli("deploy", status=INVALID).err


@pytest.mark.parametrize("quantize", [{"Method": "ternary"}, {"Calibrate": "x"}, {"Method": 3}, "auto",
                                      {"Method": "auto", "KeepAccuracy": 2},
                                      {"Method": "auto", "Calibrate": "../x"},
                                      {"Method": "auto", "Calibrate": "/etc"}])
def test_refused(server, quantize):
    status, answer = call(server, "POST", "", {
        "FunctionName": "never", "Runtime": "onnx", "Role": ROLE, "Code": {"ZipFile": "UEsFBgA="},
        "Quantize": quantize})
    assert status == 400 and "Quantize" in answer["message"], answer
    assert call(server, "GET", "/never")[0] == 404


def test_only_models(server):
    status, answer = call(server, "POST", "", {
        "FunctionName": "never", "Runtime": "python3.11", "Handler": "a.b", "Role": ROLE,
        "Code": {"ZipFile": "UEsFBgA="}, "Quantize": {"Method": "auto"}})
    assert status == 400 and "runtime onnx" in answer["message"]


def test_killed_and_restarted_midway(make_server, bert):
    server = make_server()
    name = create(server, {"model.onnx": bert, "model.yaml": MODEL}, {"Method": "dynamic"})
    pid = until(lambda: runner_of(server, name))
    server.kill()
    os.kill(pid, signal.SIGKILL)  # a power cut takes all
    server.start()
    assert configuration(server, name)["QuantizeStatus"] == {"State": "InProgress"}
    assert settled(server, name)["State"] == "Kept"
    ask(server, name)
    server.stop()
    server.start()
    assert configuration(server, name)["QuantizeStatus"]["State"] == "Kept"
    ask(server, name)
    time.sleep(0.3)
    assert runner_of(server, name) is None  # once is enough


def test_the_process_dies(make_server, bert):
    server = make_server()
    name = create(server, {"model.onnx": bert, "model.yaml": MODEL}, {"Method": "auto"})
    os.kill(until(lambda: runner_of(server, name)), signal.SIGKILL)
    status = settled(server, name)
    assert status["State"] == "Failed" and "signal 9" in status["Reason"]
    ask(server, name)


def test_deleted_midway(make_server, bert):
    server = make_server()
    name = create(server, {"model.onnx": bert, "model.yaml": MODEL}, {"Method": "auto"})
    until(lambda: runner_of(server, name))
    server.client("lambda").delete_function(FunctionName=name)
    until(lambda: runner_of(server, name) is None)
    until(lambda: not [p for p in (server.data / "packages").iterdir() if not p.name.startswith(".")])
