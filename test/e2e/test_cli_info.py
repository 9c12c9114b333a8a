# SPDX-License-Identifier: Apache-2.0
"""`rouse info` where there is no project: the server, and its functions as a table."""
import json
import subprocess

from conftest import BUILD, zip_of
from runtime_support import deploy

CODE = zip_of({"index.py": "def handler(event, context):\n    return [][0] if event else 1\n"})


def info(rouse, folder, *options):
    run = subprocess.run([BUILD / "rouse", "info", *options], cwd=folder, env=rouse.env, text=True,
                         capture_output=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_table_of_functions(make_server, tmp_path):
    rouse = make_server()
    assert "functions: none" in info(rouse, tmp_path)
    function = deploy(rouse, CODE, "python3.11", "index.handler", MemorySize=256, Timeout=9)
    lam = rouse.client("lambda")
    lam.publish_version(FunctionName=function.name)
    function(None)
    function({"fail": 1})
    lam.invoke(FunctionName=function.name, Qualifier="1", Payload=b"{}")
    lam.create_function(FunctionName="broken", Runtime="onnx", Role="arn:aws:iam::000000000000:role/r",
                        Handler="model.yaml", Code={"ZipFile": zip_of({"model.yaml": "task: none\n"})})
    lam.get_waiter("function_exists").wait(FunctionName="broken")
    text = info(rouse, tmp_path)
    lines = text.splitlines()
    head = next(line for line in lines if line.startswith("NAME")).split()
    assert head == ["NAME", "RUNTIME", "STATE", "MEMORY", "TIMEOUT", "CODE", "INSTANCES", "WAITING",
                    "CALLS", "ERRORS"]
    row = next(line for line in lines if line.startswith(function.name))
    assert row.split()[1:7] == ["python3.11", "Active", "256", "MB", "9", "s"]
    assert row.split()[-2:] == ["3", "1"]  # of all versions
    assert any(line.startswith("broken ") for line in lines)
    assert "{" not in text  # nothing of it is JSON
    assert "walls:" in text and "endpoint:" in text
    told = json.loads(info(rouse, tmp_path, "--json"))
    assert {one["name"] for one in told["functions"]} == {"broken", function.name}
