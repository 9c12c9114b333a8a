# SPDX-License-Identifier: Apache-2.0
"""Every broken picture of the corpus through a real upload: the function fails and says why, and the
next good picture is served by the same instance."""
import functools
import json
import pathlib
import uuid

import pytest

import processes
from conftest import PATIENCE_S, ROOT, zip_of
from support import destinations, function_make, notify, wait_until

CORPUS = ROOT / "test" / "corpus" / "images"
DIGITS = ROOT / "examples" / "digits"


def manifest():
    rows = (line.split("\t") for line in (CORPUS / "MANIFEST.tsv").read_text().splitlines()
            if not line.startswith("#"))
    return {row[0]: row[1] for row in rows}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("poison") / "data", "--insecure", "--max-instances",
                    "1", "--retry-delay", "100ms").start()
    files = {name: (DIGITS / name).read_bytes()
             for name in ("model.yaml", "labels.txt", "digits.onnx")}
    lam = server.client("lambda")
    try:
        function_make(server, files, zip_of=zip_of, Timeout=60, MemorySize=1024)
    except Exception:
        config = lam.get_function_configuration(FunctionName="f")
        server.stop()
        if "ONNX Runtime" in config.get("StateReason", ""):
            pytest.skip("this machine has no ONNX Runtime")
        raise
    s3 = server.client("s3")
    for bucket in ("uploads", "results"):
        s3.create_bucket(Bucket=bucket)
    destinations(lam, "results", retries=0)
    notify(server, "uploads", "f")
    yield server
    assert server.stop() == 0


@functools.cache
def client_of(server):
    return server.client("s3")


def classify(server, body):
    """The record of an upload: which destination, and what it says."""
    s3 = client_of(server)
    key = f"{uuid.uuid4().hex} a+b.bin"
    before = {item["Key"] for item in s3.list_objects_v2(Bucket="results").get("Contents", [])}
    s3.put_object(Bucket="uploads", Key=key, Body=body)

    def new():
        now = s3.list_objects_v2(Bucket="results").get("Contents", [])
        return [item["Key"] for item in now if item["Key"] not in before]
    found = wait_until(new, PATIENCE_S, 0.01)
    assert len(found) == 1, "no result"
    record = json.loads(s3.get_object(Bucket="results", Key=found[0])["Body"].read())
    return key, found[0].split("/")[0], record["responsePayload"]


def good_one(server):
    picture = sorted((DIGITS / "images").glob("*.png"))[0]
    _, where, answer = classify(server, picture.read_bytes())
    assert where == "ok", answer


@pytest.mark.parametrize("name", sorted(manifest()))
def test_picture(digits, name):
    if not processes.leaves(digits.process.pid):
        good_one(digits)
    good_one(digits)
    before = processes.leaves(digits.process.pid)
    key, where, answer = classify(digits, pathlib.Path(CORPUS / name).read_bytes())
    if manifest()[name] == "bad":
        assert where == "failed", answer
        assert key in answer["errorMessage"] or key.replace(" ", "+") in answer["errorMessage"]
        assert answer["errorType"] and len(answer["errorMessage"]) > len(key) + 10
    else:
        assert where == "ok", answer
    good_one(digits)
    assert processes.leaves(digits.process.pid) == before, "the instance did not live on"
