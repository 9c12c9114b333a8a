# SPDX-License-Identifier: Apache-2.0
"""What tests with PyTorch share: the interpreter that has it, a current boto3 as a layer, small models."""
import pathlib
import subprocess
import zipfile

import boto3
import pytest

PYTHON = "/usr/bin/python3"
# Names that may be asked for; all are served by the interpreter that has torch.
RUNTIMES = ",".join(f"python3.{minor}={PYTHON}" for minor in range(8, 15))
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "dateutil", "six.py")
PROBE = """
import importlib.util as u
missing = [m for m in ("torch", "torchvision", "PIL") if not u.find_spec(m)]
print(" ".join(missing))
"""


def need_torch():
    """Skips, naming what is missing."""
    if not pathlib.Path(PYTHON).exists():
        pytest.skip(f"{PYTHON} not installed")
    missing = subprocess.run([PYTHON, "-c", PROBE], capture_output=True, text=True, check=True).stdout.split()
    if missing:
        pytest.skip(f"{', '.join(missing)} of {PYTHON} not installed")


def boto3_files():
    """(name, path) of the tests' own boto3, without the services that nobody here asks."""
    site = pathlib.Path(boto3.__file__).parent.parent
    for top in BOTO3:
        for path in [site / top] if top.endswith(".py") else sorted((site / top).rglob("*")):
            parts = path.relative_to(site).parts
            service = parts[2] if parts[:2] == ("botocore", "data") and len(parts) > 3 else "s3"
            if path.is_file() and service == "s3" and "__pycache__" not in parts:
                yield "/".join(parts), path


def write_layer(path, model):
    """A layer with a model where /opt/ml/model/model.pt is expected, and boto3."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as layer:
        layer.write(model, "ml/model/model.pt")
        for name, file in boto3_files():
            layer.write(file, "python/" + name)
