# SPDX-License-Identifier: Apache-2.0
"""What rouse deploy puts into packages and layers, as boto3 sees it and as functions do."""
import json
import os
import pathlib
import subprocess
import sys
import uuid
import zipfile

import pytest
from botocore.exceptions import ClientError
from test_cli import FUNCTION, INVALID, NOT_FOUND, Cli

LAYERED = """
service: {name}
provider: {{name: aws, runtime: python3.12, memorySize: 128}}
layers:
  my-data:
    path: shared/data
    name: {name}-data
    description: {description}
    compatibleRuntimes: [python3.12]
    package: {{patterns: ["!**/*.tmp"]}}
functions:
  read:
    handler: app.read
    layers: [{{Ref: MyDashdataLambdaLayer}}]
  bare: {{handler: app.read}}
"""

APP = """
import os
def read(event, context):
    found = sorted(os.path.join(at, f) for at, _, files in os.walk("/opt") for f in files) if event else []
    try:
        import from_layer
        return [from_layer.TEXT, found]
    except ImportError:
        return [None, None]
"""


@pytest.fixture
def cli(server, tmp_path):
    cli = Cli(server, tmp_path / "project")
    cli.folder.mkdir()
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.env["HOME"] = str(tmp_path)
    return cli


def names(path):
    return zipfile.ZipFile(path).namelist()


@pytest.fixture
def layered(cli):
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="one"))
    cli.write("app.py", APP)
    cli.write("shared/data/python/from_layer.py", "TEXT = 'first'\n")
    cli.write("shared/data/python/x.tmp", "")
    cli.write("shared/data/etc/words", "a b\n")
    return cli


def versions(server, cli):
    found = server.client("lambda").list_layer_versions(LayerName=f"{cli.name}-data")["LayerVersions"]
    return sorted(v["Version"] for v in found)


def test_layers(layered, server):
    cli = layered
    done = cli("deploy", "--verbose")
    assert f"published layer arn:aws:lambda:us-east-1:000000000000:layer:{cli.name}-data:1" in done.err
    assert cli.json("invoke", "-f", "read", "-d", "1")["Payload"] == [
        "first", ["/opt/etc/words", "/opt/python/from_layer.py"]]
    assert cli.json("invoke", "-f", "bare")["Payload"] == [None, None]
    assert names(cli.folder / f".serverless/{cli.name}.zip") == ["app.py"]
    got = server.client("lambda").get_layer_version(LayerName=f"{cli.name}-data", VersionNumber=1)
    assert (got["Description"], got["CompatibleRuntimes"]) == ("one", ["python3.12"])
    assert "No changes" in cli("deploy").out and versions(server, cli) == [1]
    assert json.loads(cli("invoke", "local", "-f", "read").out)[0] == "first"


def test_layers_change(layered, server):
    cli = layered
    cli("deploy")
    cli.write("shared/data/python/from_layer.py", "TEXT = 'second'\n")
    assert cli.json("deploy")["functions"]["read"]["action"] == "updated"
    assert cli.json("invoke", "-f", "read")["Payload"][0] == "second" and versions(server, cli) == [2]
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="two"))
    cli("deploy")
    assert versions(server, cli) == [3]  # what is said of it is part of it
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="two").replace(
        "compatibleRuntimes:", "retain: true\n    compatibleRuntimes:"))
    cli("deploy")
    cli.write("shared/data/etc/words", "c\n")
    cli("deploy")
    assert versions(server, cli) == [3, 4]
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="two").split("layers:")[0] +
              "functions: {bare: {handler: app.read}}\n")
    cli("deploy")
    assert versions(server, cli) == [3, 4]  # to be retained
    with pytest.raises(ClientError):
        server.client("lambda").get_function(FunctionName=f"{cli.name}-dev-read")


def test_layers_go(layered, server):
    cli = layered
    cli("deploy")
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="one").split("layers:")[0] +
              "functions: {read: {handler: app.read}}\n")
    cli("deploy")
    assert versions(server, cli) == []
    assert cli.json("invoke", "-f", "read")["Payload"] == [None, None]
    cli.write("serverless.yml", LAYERED.format(name=cli.name, description="one"))
    cli("deploy")
    assert versions(server, cli) == [2]  # numbers are never used again
    cli("remove")
    assert versions(server, cli) == []


def test_layers_of_others(cli, server):
    lam = server.client("lambda")
    content = cli.folder / "l.zip"
    with zipfile.ZipFile(content, "w") as z:
        z.writestr("python/from_layer.py", "TEXT = 'other'\n")
    arn = lam.publish_layer_version(LayerName=cli.name, Content={"ZipFile": content.read_bytes()})["LayerVersionArn"]
    text = f"""
service: {cli.name}
provider: {{name: aws, runtime: python3.12, layers: ["{arn}"]}}
layers: {{packed: {{name: {cli.name}-packed, package: {{artifact: l.zip}}}}}}
functions:
  read: {{handler: app.read}}
  two: {{handler: app.read, layers: [{{Ref: PackedLambdaLayer}}]}}
"""
    cli.write("serverless.yml", text)
    cli.write("app.py", APP)
    cli("deploy")
    assert cli.json("invoke", "-f", "read")["Payload"][0] == "other"
    assert cli.json("invoke", "-f", "two")["Payload"][0] == "other"
    assert "is on the server only" in cli("invoke", "local", "-f", "two").err
    cli.write("serverless.yml", text.replace(arn, arn[:-1] + "7"))
    assert "functions.read: Layer version" in cli("deploy", status=INVALID).err
    cli("remove")
    assert lam.list_layer_versions(LayerName=cli.name)["LayerVersions"]


def test_layer_without_files(layered):
    for path in (layered.folder / "shared/data").rglob("*"):
        if path.is_file() and path.suffix != ".tmp":
            path.unlink()
    done = layered("deploy", status=INVALID)
    assert "layers.my-data: no file in" in done.err


# ---- Node's development dependencies

def node_package(cli, path, **document):
    cli.write(f"{path}/package.json", json.dumps({"name": path.split("node_modules/")[-1], **document}))
    cli.write(f"{path}/index.js", "")


@pytest.fixture
def node(cli):
    cli.write("serverless.yml", f"service: {cli.name}\nprovider: {{name: aws, runtime: nodejs20.x}}\n"
              "functions: {main: {handler: app.main}}\n")
    cli.write("app.js", "exports.main = async () => 1;\n")
    cli.write("package.json", json.dumps({"dependencies": {"needed": "1", "missing": "1"},
                                          "devDependencies": {"@dev/tool": "1", "both": "1"}}))
    node_package(cli, "node_modules/needed", dependencies={"both": "1", "nested": "1"})
    node_package(cli, "node_modules/needed/node_modules/nested", dependencies={"deep": "1"})
    node_package(cli, "node_modules/both")
    node_package(cli, "node_modules/deep", peerDependencies={"peer": "1"})
    node_package(cli, "node_modules/peer")
    node_package(cli, "node_modules/@dev/tool", bin={"tool": "index.js"}, dependencies={"only-dev": "1"})
    node_package(cli, "node_modules/only-dev", bin="index.js", dependencies={"@dev/tool": "1"})
    node_package(cli, "node_modules/nobodys")
    for name in ("tool", "only-dev", "other"):
        cli.write(f"node_modules/.bin/{name}", "")
    return cli


def packed(cli):
    cli("deploy")
    return {n.rsplit("/", 1)[0] for n in names(cli.folder / f".serverless/{cli.name}.zip") if n.endswith("index.js")}


def test_development_dependencies_stay_out(node):
    assert packed(node) == {"node_modules/" + n for n in
                            ("needed", "needed/node_modules/nested", "both", "deep", "peer", "nobodys")}
    bins = [n for n in names(node.folder / f".serverless/{node.name}.zip") if ".bin/" in n]
    assert bins == ["node_modules/.bin/other"]


def test_development_dependencies_on_request(node):
    text = (node.folder / "serverless.yml").read_text()
    node.write("serverless.yml", text + "package: {excludeDevDependencies: false}\n")
    assert "node_modules/@dev/tool" in packed(node)
    node.write("serverless.yml", text + 'package: {patterns: ["node_modules/only-dev/**"]}\n')
    assert "node_modules/only-dev" in packed(node) and "node_modules/@dev/tool" not in packed(node)
    node.write("package.json", "{")
    assert "package.json" in node("deploy", status=INVALID).err


# ---- Python's requirements

@pytest.fixture
def needy(cli):
    """A project that needs a package of its own making, so that nothing is fetched."""
    wheel = cli.folder / "wheels" / "only_here-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    info = "only_here-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr("only_here.py", "ANSWER = 42\n")
        z.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: only-here\nVersion: 1.0\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    cli.write("requirements.txt", "# what it needs\nonly-here==1.0\n")
    cli.write("app.py", "def main(event, context):\n    import only_here\n    return only_here.ANSWER\n")
    cli.text = f"""
service: {cli.name}
provider: {{name: aws, runtime: python3.12}}
custom:
  pythonRequirements:
    pythonBin: {sys.executable}
    pipCmdExtraArgs: [--no-index, --find-links, wheels]
package: {{patterns: ["!wheels/**"]}}
functions:
  main: {{handler: app.main}}
"""
    cli.write("serverless.yml", cli.text)
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        pytest.skip("pip not installed")
    return cli


def test_requirements(needy):
    assert "Installing requirements.txt" in needy("deploy").err
    assert needy.json("invoke", "-f", "main")["Payload"] == 42
    again = needy("deploy")
    assert "No changes" in again.out and "Installing" not in again.err
    cache = pathlib.Path(needy.env["HOME"]) / ".cache/rouse/requirements"
    assert len(list(cache.iterdir())) == 1
    assert json.loads(needy("invoke", "local", "-f", "main").out) == 42
    needy.write("requirements.txt", "only-here\n")
    needy("deploy")
    assert len(list(cache.iterdir())) == 2
    needy("remove")


def test_requirements_that_fail(needy):
    needy.write("requirements.txt", "only-here==2.0\n")
    done = needy("deploy", status=FUNCTION)
    assert "layers.pythonRequirements: custom.pythonRequirements:" in done.err and "pip ended with status 1" in done.err
    assert not list((pathlib.Path(needy.env["HOME"]) / ".cache/rouse/requirements").iterdir())
    os.unlink(needy.folder / "requirements.txt")
    assert "there is no file" in needy("deploy", status=NOT_FOUND).err
    needy.write("serverless.yml", needy.text.replace(sys.executable, "/no/python"))
    needy.write("requirements.txt", "only-here\n")
    assert "/no/python" in needy("deploy", status=10).err
