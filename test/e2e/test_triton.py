# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol with the client that it was made for: Triton's, over HTTP."""

import gzip
import json
import pathlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from conftest import PATIENCE_S
from http_support import make_role, send_signed
from inference_support import ask_simple, key, models, needs_engine, png_of  # noqa: F401

tritonclient = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402

pytestmark = needs_engine


@pytest.fixture(scope="module")
def triton(server):
    client = tritonclient.InferenceServerClient(server.url.removeprefix("http://"))
    yield client
    client.close()


def infer(triton, key, model, data, binary_in=True, binary_out=True):
    kinds = {"f": "FP32", "O": "BYTES"}
    tensor = tritonclient.InferInput("x", list(data.shape), kinds[data.dtype.kind])
    tensor.set_data_from_numpy(data, binary_data=binary_in)
    wanted = [tritonclient.InferRequestedOutput("y", binary_data=binary_out)]
    return triton.infer(model, [tensor], outputs=wanted, request_id="7",
                        headers=dict(key))  # it writes into what it is given


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer(triton, key, models, binary_in, binary_out):
    rng = np.random.default_rng(1)
    for model, shape in (("numbers", (5, 4)), ("picture", (1, 3, 32, 32))):
        data = rng.standard_normal(shape).astype("f4")
        got = infer(triton, key, models[model], data, binary_in, binary_out)
        np.testing.assert_allclose(got.as_numpy("y"), data, rtol=1e-6)
        assert got.get_response()["model_name"] == models[model]
        assert got.get_response()["id"] == "7"
    texts = np.array(["a", "grüße", ""], dtype=object)
    got = infer(triton, key, models["texts"], texts, binary_in, binary_out).as_numpy("y")
    assert [t.decode() if isinstance(t, bytes) else t for t in got] == list(texts)


def test_several_inputs_and_outputs(triton, key, models):
    name = models["simple"]
    a, b, got = ask_simple(tritonclient, triton, name, key, sequence_id=1, sequence_start=True, priority=1)
    np.testing.assert_array_equal(got.as_numpy("OUTPUT0"), a + b)
    np.testing.assert_array_equal(got.as_numpy("OUTPUT1"), a - b)
    a, b, got = ask_simple(tritonclient, triton, name, key, outputs=["OUTPUT1"])
    np.testing.assert_array_equal(got.as_numpy("OUTPUT1"), a - b)
    assert got.as_numpy("OUTPUT0") is None


@pytest.mark.parametrize("binary", [True, False])
def test_a_file_is_a_payload(triton, key, models, binary):
    tensor = tritonclient.InferInput("payload", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([png_of("red")], dtype=object), binary_data=True)
    wanted = [tritonclient.InferRequestedOutput("answer", binary_data=binary)]
    got = triton.infer(models["photo"], [tensor], outputs=wanted, headers=dict(key))
    assert json.loads(got.as_numpy("answer")[0])["top"][0]["class_id"] == 0
    metadata = triton.get_model_metadata(models["photo"], headers=key)
    assert metadata["inputs"] == [{"name": "payload", "datatype": "BYTES", "shape": [1]}]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(triton, key, models, algorithm):
    data = np.ones((3, 4), "f4")
    tensor = tritonclient.InferInput("x", [3, 4], "FP32")
    tensor.set_data_from_numpy(data)
    got = triton.infer(models["numbers"], [tensor], request_compression_algorithm=algorithm,
                       response_compression_algorithm="gzip", headers=dict(key))
    np.testing.assert_array_equal(got.as_numpy("y"), data)


def test_odd_numbers_survive(triton, key, models):
    data = np.array([[np.nan, np.inf, -np.inf, -0.0]], "f4")
    got = infer(triton, key, models["numbers"], data).as_numpy("y")
    assert got.tobytes() == data.tobytes()


def test_health_and_metadata(triton, key, models):
    assert triton.is_server_live(headers=key) and triton.is_server_ready(headers=key)
    assert triton.is_model_ready(models["numbers"], headers=key)
    assert triton.get_server_metadata(headers=key)["name"] == "rouse"
    metadata = triton.get_model_metadata(models["numbers"], headers=key)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    index = triton.get_model_repository_index(headers=key)
    assert models["texts"] in [model["name"] for model in index]
    config = triton.get_model_config(models["texts"], headers=key)
    assert config["input"] == [{"name": "x", "data_type": "TYPE_STRING", "dims": [-1]}]
    assert config["max_batch_size"] == 0


def test_statistics(triton, key, models):
    def of(name):
        return triton.get_inference_statistics(name, headers=key)["model_stats"][0]
    name = models["numbers"]
    before = of(name)
    infer(triton, key, name, np.zeros((1, 4), "f4"))
    with pytest.raises(InferenceServerException):
        infer(triton, key, name, np.zeros((1, 5), "f4"))
    after = of(name)
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["execution_count"] == before["execution_count"] + 1
    for what, more in (("success", 1), ("queue", 1), ("compute_infer", 1), ("fail", 1)):
        was, now = before["inference_stats"][what], after["inference_stats"][what]
        assert now["count"] == was["count"] + more
        assert now["ns"] >= was["ns"]
    assert after["last_inference"] > 1.6e12
    assert sum(b["compute_infer"]["count"] for b in after["batch_stats"]) == after["execution_count"]
    everyone = triton.get_inference_statistics(headers=key)["model_stats"]
    assert {m["name"] for m in everyone} >= set(models.values())


def test_load_and_unload(triton, key, models):
    name = models["texts"]

    def state():
        return {m["name"]: m for m in triton.get_model_repository_index(headers=key)}[name]
    triton.unload_model(name, headers=key)
    assert not triton.is_model_ready(name, headers=key)
    assert (state()["state"], state()["reason"]) == ("UNAVAILABLE", "unloaded")
    triton.load_model(name, headers=key)
    assert triton.is_model_ready(name, headers=key) and state()["state"] == "READY"
    triton.unload_model(name, headers=key)
    texts = np.array(["a request rouses it"], dtype=object)
    assert infer(triton, key, name, texts).as_numpy("y")[0] == texts[0].encode()
    assert triton.is_model_ready(name, headers=key)
    with pytest.raises(InferenceServerException, match="failed to load 'nothing'"):
        triton.load_model("nothing", headers=key)
    with pytest.raises(InferenceServerException, match="failed to unload 'nothing'"):
        triton.unload_model("nothing", headers=key)


def below(pid):
    """A process and all that it has started; what ends meanwhile is not there."""
    pids = [pid]
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                pids += below(int(child))
        except OSError:
            pass
    return pids


def memory_below(pid):
    """KiB that are theirs: what they share is counted once, files that others map too are not."""
    total = 0
    for one in below(pid)[1:]:
        try:
            lines = pathlib.Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
        except OSError:
            pass
    return total


def memory_when_quiet(pid):
    """When no process has come or gone for a while."""
    seen, since, until = None, time.monotonic(), time.monotonic() + PATIENCE_S
    while time.monotonic() < min(until, since + 0.3):
        now = below(pid)
        if now != seen:
            seen, since = now, time.monotonic()
        time.sleep(0.02)
    return memory_below(pid)


def test_unloading_returns_memory(server, triton, key, models):
    data = {"numbers": np.zeros((1, 4), "f4"), "picture": np.zeros((1, 3, 32, 32), "f4"),
            "texts": np.array(["x"], dtype=object)}

    def unload():
        for name in models.values():
            triton.unload_model(name, headers=key)
        return memory_when_quiet(server.process.pid)
    before = unload()
    for _ in range(3):
        for kind in data:
            triton.load_model(models[kind], headers=key)
            infer(triton, key, models[kind], data[kind])
        assert memory_below(server.process.pid) > before
        assert unload() <= before * 1.05 + 256


def test_who_may(server, models):
    def status(keys, method, path):
        return send_signed(server, "lambda", path, method, keys=keys).status
    metadata, index = f"/v2/models/{models['numbers']}", "/v2/repository/index"
    nobody, _ = make_role(server)
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{models['numbers']}"
    somebody, _ = make_role(server, {"Effect": "Allow", "Action": "lambda:InvokeFunction",
                                     "Resource": arn})
    lister, _ = make_role(server, {"Effect": "Allow", "Action": "lambda:ListFunctions",
                                   "Resource": "*"})
    for keys, model, everything in ((nobody, 403, 403), (somebody, 200, 403), (lister, 403, 200)):
        assert status(keys, "GET", metadata) == status(keys, "GET", metadata + "/stats") == model
        assert status(keys, "POST", index) == status(keys, "GET", "/v2/models/stats") == everything
    assert status(somebody, "GET", f"/v2/models/{models['texts']}") == 403
    assert status(nobody, "POST", f"/v2/repository/models/{models['texts']}/unload") == 403


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer(server, key, models, protocol):
    if not shutil.which("perf_analyzer"):
        pytest.skip("perf_analyzer is not there")
    done = subprocess.run(
        ["perf_analyzer", "-m", models["numbers"], "-u", server.url.removeprefix("http://"), "-i",
         protocol, "--shape", "x:1,4", "--measurement-mode", "count_windows",
         "--measurement-request-count", "20", "--stability-percentage", "999",
         "-H", f"Authorization:{key['Authorization']}"],
        capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and "Throughput" in done.stdout, done.stdout + done.stderr


def test_what_is_not_there(triton, key, models):
    for call in (triton.get_trace_settings, triton.get_log_settings,
                 triton.get_system_shared_memory_status, triton.get_cuda_shared_memory_status):
        with pytest.raises(InferenceServerException, match="not supported"):
            call(headers=key)
    with pytest.raises(InferenceServerException, match="not supported"):
        triton.get_trace_settings(models["numbers"], headers=key)


def send(server, path, body=None, headers={}):
    request = urllib.request.Request(server.url + path, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def test_bad_requests(server, key, models):
    path = f"/v2/models/{models['numbers']}/infer"

    def ask(body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(server, path, body, {**key, **named})
    assert ask(b"{") == (400, ask(b"{")[1])
    assert "inputs" in ask(b"{}")[1]["error"]
    assert ask(b"{}", Inference_Header_Content_Length="9")[0] == 400
    assert ask(b"x", Content_Encoding="gzip")[0] == 400
    assert ask(gzip.compress(b"\0" * (65 << 20)), Content_Encoding="gzip")[0] == 413
    assert ask(b"x", Content_Encoding="br")[0] == 501
    data = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    bad = [("datatype", "INT8"), ("shape", [1, 5]), ("shape", "1"), ("name", "z"), ("data", [[1]])]
    for member, value in bad:
        one = {"inputs": [{**data["inputs"][0], member: value}]}
        assert ask(json.dumps(one).encode())[0] == 400, member
    unknown = ask(json.dumps({**data, "outputs": [{"name": "z"}]}).encode())
    assert unknown == (400, {"error": unknown[1]["error"]}) and '"z"' in unknown[1]["error"]
    assert ask(json.dumps(data).encode())[1]["outputs"][0]["data"] == [1, 2, 3, 4]
    for path_ in ("/v2/models", "/v2/models//infer", "/v2/nothing", f"{path}/more"):
        assert send(server, path_, headers=key)[0] == 404, path_
    assert send(server, path + "?x=1", json.dumps(data).encode(), key)[0] == 200
    versioned = f"/v2/models/{models['numbers']}/versions"
    assert send(server, f"{versioned}/%24LATEST/stats", headers=key)[0] == 200
    assert send(server, f"{versioned}/7/stats", headers=key)[0] == 404


def test_errors(triton, key, models):
    with pytest.raises(InferenceServerException, match="there is no model"):
        infer(triton, key, "nothing", np.zeros((1, 4), "f4"))
    with pytest.raises(InferenceServerException):
        infer(triton, key, models["numbers"], np.zeros((1, 5), "f4"))
    with pytest.raises(InferenceServerException):
        infer(triton, {"Authorization": "Bearer rouse-0"}, models["numbers"], np.zeros((1, 4), "f4"))
    assert not triton.is_model_ready("nothing", headers=key)
