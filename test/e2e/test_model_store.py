# SPDX-License-Identifier: Apache-2.0
"""The store of models: what was pushed once is never sent again, by `rouse model push` or by a deployment; what
is not what it says it is, is refused; what a function uses is not removed."""
import hashlib
import http.server
import json
import os
import subprocess
import threading
import uuid
import zipfile

import pytest
from conftest import ROOT, zip_of
from runtime_support import ROLE
from test_cli import INVALID, Cli

onnx = pytest.importorskip("onnx")
from test_quantize import make_models  # noqa: E402

ENGINE = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
NOT_FOUND, EXISTS, UNAVAILABLE, IO = 4, 5, 10, 16
PART = 16 * 1024 * 1024
BUCKET = "rouse-models"


@pytest.fixture
def cli(server, tmp_path):
    return Cli(server, tmp_path)


def random_model(size=4096):
    data = os.urandom(size)
    return data, hashlib.sha256(data).hexdigest()


def keys(server, prefix=""):
    listed = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {one["Key"] for one in listed.get("Contents", ())}


# ---- push, ls, rm

def test_push_once(cli, server):
    data, digest = random_model()
    name = "net:" + uuid.uuid4().hex[:8]
    cli.write("net.onnx", data)
    first = cli.json("model", "push", "net.onnx", "--name", name)
    assert first == {"digest": digest, "size": 4096, "existed": False, "partsKept": 0, "name": name}
    assert cli.json("model", "push", "net.onnx")["existed"]
    assert cli.json("model", "push", "nowhere.onnx", "--sha256", "sha256:" + digest)["existed"]  # not read
    row = next(m for m in cli.json("model", "ls") if m["digest"] == digest)
    assert row["names"] == [name] and row["functions"] == [] and row["size"] == 4096
    assert digest[:12] in cli("model", "ls").out
    assert server.client("s3").get_object(Bucket=BUCKET, Key=digest)["Body"].read() == data
    assert digest in cli("model", "rm", name).out
    assert not keys(server, digest) and f"names/{name}" not in keys(server, "names/")
    cli("model", "rm", digest, status=NOT_FOUND)


def test_interrupted_push_goes_on(cli, server):
    data, digest = random_model(2 * PART + 1000)
    s3 = server.client("s3")
    cli.write("big.onnx", data)
    cli.write("small.onnx", b"x")
    cli("model", "push", "small.onnx")  # the bucket is there
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=digest)["UploadId"]
    for number, part in ((1, data[:PART]), (2, b"other bytes" * 500000)):
        s3.upload_part(Bucket=BUCKET, Key=digest, UploadId=upload, PartNumber=number, Body=part)
    told = cli("model", "push", "big.onnx")
    assert "1 parts of an earlier push" in told.err and "pushing big.onnx: " in told.err
    whole = s3.get_object(Bucket=BUCKET, Key=digest)["Body"].read()
    assert hashlib.sha256(whole).hexdigest() == digest
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    cli("model", "rm", digest[:10])


def test_push_of_an_object(cli, server):
    data, digest = random_model(300000)
    bucket = "from-" + uuid.uuid4().hex[:8]
    s3 = server.client("s3")
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a b/net.onnx", Body=data)
    assert cli.json("model", "push", f"s3://{bucket}/a b/net.onnx")["digest"] == digest
    assert s3.get_object(Bucket=BUCKET, Key=digest)["Body"].read() == data
    cli("model", "push", f"s3://{bucket}/none", status=NOT_FOUND)


def test_push_refuses(cli):
    data, digest = random_model()
    cli.write("net.onnx", data)
    cli.write("empty.onnx", b"")
    other = hashlib.sha256(b"").hexdigest()
    assert digest in cli("model", "push", "net.onnx", "--sha256", other, status=INVALID).err
    assert "64 hexadecimal" in cli("model", "push", "net.onnx", "--sha256", "abc", status=INVALID).err
    assert "is empty" in cli("model", "push", "empty.onnx", status=INVALID).err
    cli("model", "push", "none.onnx", status=NOT_FOUND)
    cli("model", "push", "net.onnx", "--name", "a/../b", status=INVALID)
    cli("model", "push", "http://127.0.0.1:1/net.onnx", status=INVALID)  # without its digest
    cli("model", "rm", "unknown", status=NOT_FOUND)
    cli("model", "push", status=INVALID)


# ---- from the web

class Web(http.server.BaseHTTPRequestHandler):
    """/net.onnx, cut off for whoever does not ask for a range; /moved leads to it."""
    data, seen = b"", []

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Range")))
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/net.onnx")
            self.end_headers()
        elif self.path != "/net.onnx":
            self.send_error(404)
        else:
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(self.data) - begin))
            self.end_headers()
            self.wfile.write(self.data[begin:] if begin else self.data[:len(self.data) // 2])
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    handler = type("Handler", (Web,), {"seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        handler.url = f"http://127.0.0.1:{served.server_port}"
        yield handler
        served.shutdown()
        thread.join()


def test_fetch_goes_on_where_it_was_cut_off(cli, server, web):
    web.data, digest = random_model(400000)
    cli("model", "push", web.url + "/moved", "--sha256", digest, status=UNAVAILABLE)
    assert not keys(server, digest) if BUCKET in [
        b["Name"] for b in server.client("s3").list_buckets()["Buckets"]] else True
    assert cli.json("model", "push", web.url + "/moved", "--sha256", digest)["digest"] == digest
    assert web.seen[-1] == ("/net.onnx", "bytes=200000-")
    assert server.client("s3").get_object(Bucket=BUCKET, Key=digest)["Body"].read() == web.data
    assert not list((cli.folder / ".cache/rouse/models").iterdir())


def test_fetch_of_something_else(cli, web):
    web.data, digest = random_model(1000)
    wrong = hashlib.sha256(b"wrong").hexdigest()
    for _ in range(2):
        cli("model", "push", web.url + "/net.onnx", "--sha256", wrong, status=UNAVAILABLE)
        told = cli("model", "push", web.url + "/net.onnx", "--sha256", wrong, status=INVALID)
        assert digest in told.err  # and the bytes are gone: it begins anew
    cli("model", "push", web.url + "/none", "--sha256", digest, status=NOT_FOUND)


# ---- deployments

def create(server, files, name=None):
    name = name or "stored-" + uuid.uuid4().hex[:8]
    server.client("lambda").create_function(FunctionName=name, Runtime="onnx", Role=ROLE, Timeout=60,
                                            Code={"ZipFile": zip_of(files)})
    return name


@pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")
def test_deploy_sends_a_model_once(cli, server):
    service = "store-" + uuid.uuid4().hex[:8]
    data = make_models.big(4).SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    cli.write("serverless.yml", f"service: {service}\nprovider: {{name: aws, runtime: onnx}}\n"
                                "functions:\n  one: {handler: model.yaml, timeout: 60}\n")
    cli.write("model.yaml", "task: tensor\n")
    cli.write("net/model.onnx", data)
    cli.write("model.yaml", "task: tensor\nmodel: net/model.onnx\n")
    assert "Pushing net/model.onnx (4" in cli("deploy").err
    packed = cli.folder / ".serverless" / f"{service}.zip"
    assert packed.stat().st_size < 4096
    with zipfile.ZipFile(packed) as archive:
        assert archive.read("net/model.onnx").decode() == f"rouse-model sha256:{digest} {len(data)}\n"
    answer = cli.json("invoke", "-f", "one", "-d", json.dumps({"inputs": {"x": [[0.5] * 1024]}}))
    assert answer["FunctionError"] is None, answer
    unpacked = [p for p in server.data.glob("packages/*/code/net/model.onnx")
                if hashlib.sha256(p.read_bytes()).hexdigest() == digest]
    assert unpacked[0].stat().st_nlink >= 2  # the store's file itself
    assert "No changes" in cli("deploy").out
    cli.write("model.yaml", "task: tensor\nmodel: net/model.onnx\n\n")
    assert "Pushing" not in cli("deploy").err
    assert f"{service}-dev-one" in cli("model", "rm", digest, status=EXISTS).err
    cli("remove")
    cli("model", "rm", digest)
    cli("package")  # for elsewhere: all of it
    assert packed.stat().st_size > len(data) / 2


def test_unknown_model(server):
    _, digest = random_model()
    lam = server.client("lambda")
    with pytest.raises(lam.exceptions.InvalidParameterValueException, match="not in the store"):
        create(server, {"model.yaml": "task: tensor\n", "model.onnx": f"rouse-model sha256:{digest} 4096\n"})
    assert not list((server.data / "packages").glob("new-*"))


@pytest.mark.parametrize("small", [True, False])
def test_damaged_model(cli, server, small):
    data, digest = random_model(4096 if small else 200000)
    cli.write("net.onnx", data)
    cli("model", "push", "net.onnx")
    server.client("s3").put_object(Bucket=BUCKET, Key=digest, Body=data[:-1] + b"?")
    lam = server.client("lambda")
    for size in (len(data), 1):
        with pytest.raises(lam.exceptions.InvalidParameterValueException, match="damaged"):
            create(server, {"model.yaml": "task: tensor\n",
                            "model.onnx": f"rouse-model sha256:{digest} {size}\n"})
    cli("model", "rm", digest)


@pytest.mark.parametrize("text", ["rouse-model sha256:xyz 1\n", "rouse-model md5:" + "0" * 70 + " 1\n",
                                  "rouse-model sha256:" + "0" * 64 + " -10000000\n",
                                  "rouse-model sha256:" + "0" * 64 + " 99999999999999999999\n"])
def test_no_reference_is_a_file(server, text):
    name = create(server, {"model.yaml": "task: echo\n", "note.txt": text})
    assert text in [path.read_text() for path in server.data.glob("packages/*/code/note.txt")]
    server.client("lambda").delete_function(FunctionName=name)


def test_too_large_for_a_package(make_server, tmp_path):
    server = make_server("--code-unpacked-max", "1MiB")
    cli = Cli(server, tmp_path)
    data, digest = random_model(2 * 1024 * 1024)
    cli.write("net.onnx", data)
    cli("model", "push", "net.onnx")
    lam = server.client("lambda")
    with pytest.raises(lam.exceptions.InvalidParameterValueException, match="Unzipped size"):
        create(server, {"model.onnx": f"rouse-model sha256:{digest} {len(data)}\n"})


def test_full_disk(make_server, tmp_path):
    small = tmp_path / "data0"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", small],
                      capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        server = make_server()
        cli = Cli(server, tmp_path)
        data, digest = random_model(2 * PART + 1)
        cli.write("net.onnx", data)
        told = cli("model", "push", "net.onnx", status=IO)
        assert "Error: pushing net.onnx: " in told.err
        assert not keys(server, digest)
        small_data, small_digest = random_model()
        cli.write("small.onnx", small_data)
        assert cli.json("model", "push", "small.onnx")["digest"] == small_digest  # it goes on
        server.stop()
    finally:
        subprocess.run(["umount", "-l", small], check=True)
