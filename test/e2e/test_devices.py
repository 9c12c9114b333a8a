# SPDX-License-Identifier: Apache-2.0
"""The device table: what models can compute on, found when somebody asks."""
import json
import subprocess
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError
from conftest import BUILD, zip_of


def info(rouse, folder, *options):
    return subprocess.run([BUILD / "rouse", "info", *options], cwd=folder, env=rouse.env, text=True,
                          capture_output=True, timeout=60, check=False)


def test_device_table(make_server, tmp_path):
    rouse = make_server()
    before = json.loads(info(rouse, tmp_path, "--json").stdout)
    assert "devices" not in before  # nobody has asked: nothing was looked for
    text = info(rouse, tmp_path, "devices")
    assert text.returncode == 0, text.stderr
    assert text.stdout.startswith("cpu ") and "core" in text.stdout
    told = json.loads(info(rouse, tmp_path, "devices", "--json").stdout)
    assert told["engine"].startswith("onnxruntime ")
    cpu = told["devices"][0]
    assert (cpu["name"], cpu["provider"]) == ("cpu", "CPUExecutionProvider")
    assert cpu["cores"] >= 1 and cpu["memoryBytes"] > 0
    after = json.loads(info(rouse, tmp_path, "--json").stdout)
    assert after["devices"] == told["devices"]
    wrong = info(rouse, tmp_path, "machines")
    assert wrong.returncode != 0 and "machines" in wrong.stderr


def test_without_an_engine(make_server, tmp_path):
    rouse = make_server(env={"ROUSE_ONNXRUNTIME": "/nonexistent/libonnxruntime.so.1"})
    told = info(rouse, tmp_path, "devices")
    assert told.returncode != 0
    assert "ONNX Runtime" in told.stderr


def test_must_be_signed(make_server):
    rouse = make_server()
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(rouse.url + "/rouse/devices", timeout=10)
    assert error.value.code == 403


def test_device_of_a_function(make_server):
    lam = make_server().client("lambda")
    wish = {"Runtime": "onnx", "Role": "arn:aws:iam::000000000000:role/r", "Handler": "model.yaml",
            "Code": {"ZipFile": zip_of({"model.yaml": "task: echo\n"})}}
    device = {}

    def with_device(params, **_kwargs):  # boto3 knows no Device: it goes into the body as it is made
        body = json.loads(params["body"])
        params["body"] = json.dumps({**body, **device}).encode()

    lam.meta.events.register("before-call.lambda", with_device)
    for wrong in ("cuda", "cuda:0", "gpu", "CPU"):
        device["Device"] = wrong
        with pytest.raises(ClientError, match=f"Device {wrong} cannot be used") as error:
            lam.create_function(FunctionName="echo", **wish)
        assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    device["Device"] = 1
    with pytest.raises(ClientError, match="Device"):
        lam.create_function(FunctionName="echo", **wish)
    device["Device"] = "cpu"
    with pytest.raises(ClientError, match="runtime onnx"):
        lam.create_function(FunctionName="code", **{**wish, "Runtime": "python3.11", "Handler": "a.b"})
    lam.create_function(FunctionName="echo", **wish)
    device.clear()
    lam.meta.events.unregister("before-call.lambda", with_device)
    lam.get_waiter("function_active_v2").wait(FunctionName="echo", WaiterConfig={"Delay": 1})
    assert lam.invoke(FunctionName="echo", Payload=b'{"a": 1}')["StatusCode"] == 200
