# SPDX-License-Identifier: Apache-2.0
"""The device table: what models can compute on, found when somebody asks."""
import json
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import BUILD


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
