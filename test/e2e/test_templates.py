# SPDX-License-Identifier: Apache-2.0
"""What `rouse create` writes works as it is: create, deploy, invoke, for each template whose tools are here."""
import base64
import io
import json
import os
import re
import shutil
import subprocess

import pytest
from PIL import Image
from test_cli import FUNCTION, INVALID, Cli
from torch_support import PYTHON, RUNTIMES, need_torch

HELLO = {"aws-python3": ("python3",), "aws-nodejs": ("node",), "aws-provided-c": ("cc", "make"),
         "aws-go": ("go", "make")}


@pytest.fixture
def cli(server, tmp_path):
    return Cli(server, tmp_path)


def go_environment():
    """The caller's caches, so that the module is fetched once; skips where it cannot be."""
    names = ("GOMODCACHE", "GOCACHE", "GOPROXY")
    values = subprocess.run(["go", "env", *names], capture_output=True, text=True, check=True).stdout.split("\n")
    return dict(zip(names, values))


def created(cli, template, name):
    missing = [tool for tool in HELLO[template] if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    cli("create", "--template", template, "--path", name)
    cli.folder = cli.folder / name
    if template == "aws-go":
        cli.env.update(go_environment())
        fetched = subprocess.run(["go", "mod", "download"], cwd=cli.folder, env=cli.env, capture_output=True)
        if fetched.returncode != 0:
            pytest.skip("aws-lambda-go could not be fetched")


@pytest.mark.parametrize("template", HELLO)
def test_create_deploy_invoke(cli, template):
    name = f"my-{template[4:6]}-{os.getpid()}"
    created(cli, template, name)
    for path in cli.folder.iterdir():
        text = path.read_text()
        assert not re.search(r"\{\{[a-z-]+\}\}", text) and template not in text, path
    cli("deploy")
    answer = cli.json("invoke", "-f", "hello", "-d", '{"name": "Ada"}')
    assert answer["FunctionError"] is None, answer
    if template == "aws-provided-c":
        assert answer["Payload"]["message"] == "Hello from C!" and answer["Payload"]["event"] == {"name": "Ada"}
    else:
        assert answer["Payload"]["message"] == "Hello, Ada!"
    assert answer["Payload"]["requestId"] in answer["Log"] and "greeting" in answer["Log"]
    assert "No changes" in cli("deploy").out
    cli("remove")


# A model that says which colour there is most of.
COLOURS = """
import sys, torch
net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 3)).eval()
net[2].weight.data, net[2].bias.data = torch.eye(3) * 5, torch.zeros(3)
torch.jit.trace(net, torch.zeros(1, 3, 224, 224)).save(sys.argv[1])
"""


def test_torch_image_classifier(make_server, tmp_path):
    need_torch()
    cli = Cli(make_server(env={"ROUSE_RUNTIMES": RUNTIMES}), tmp_path)
    subprocess.run([PYTHON, "-c", COLOURS, tmp_path / "colours.pt"], check=True)
    cli.write("names.txt", "red\ngreen\nblue\n")
    done = cli("create", "-t", "torch-image-classifier", "-p", "colours", "-m", "colours.pt", "-l", "names.txt")
    assert "rouse invoke -f classify -p event.json" in done.out
    cli.folder = cli.folder / "colours"
    picture = io.BytesIO()
    Image.new("RGB", (300, 260), (10, 200, 30)).save(picture, "PNG")
    cli.write("event.json", json.dumps({"image": base64.b64encode(picture.getvalue()).decode()}))
    cli("deploy")
    answer = cli.json("invoke", "-f", "classify", "-p", "event.json")["Payload"]
    assert answer["label"] == "green" and answer["confidence"] > 0.9
    assert (cli.folder / "labels.txt").read_text().startswith("red")


def test_a_build_that_fails(cli):
    created(cli, "aws-provided-c", "broken")
    cli.write("handler.c", "int main(void) { return no_such_thing; }\n")
    done = cli("deploy", status=FUNCTION)
    assert 'custom.scripts.hooks: "make" ended with status 2' in done.err and "no_such_thing" in done.err
    assert not (cli.folder / ".serverless").exists()


def test_hooks_have_their_moments(cli):
    cli.write("m.yaml", "task: echo\n")
    cli.write("serverless.yml", """
service: hooked
provider: {name: aws, runtime: onnx}
custom:
  scripts:
    hooks:
      "before:package:initialize": [cp m.yaml model.yaml, echo first >> order]
      "before:package:createDeploymentArtifacts": echo first >> order
      "after:deploy:deploy": rouse=1; echo last >> order
      "before:remove:remove": echo never >> order
functions:
  echo: {handler: model.yaml, package: {patterns: ["!order", "!m.yaml"]}}
""")
    done = cli("deploy", "--json")
    assert 'nothing here happens at "before:remove:remove"' in done.err
    assert (cli.folder / "order").read_text() == "first\nlast\n"
    cli("remove")
    cli("create", "-t", "aws-python3", "-p", "x", "--model", "m.yaml", status=INVALID)
