# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol over gRPC: with Triton's client, and with plain gRPC for what no client of
good will does."""

import concurrent.futures
import json
import queue
import subprocess
import threading
import time

import numpy as np
import pytest

from inference_support import ask_simple, key, models, needs_engine, png_of  # noqa: F401

grpc = pytest.importorskip("grpc")
tritonclient = pytest.importorskip("tritonclient.grpc")
from tritonclient.grpc import service_pb2 as pb  # noqa: E402
from tritonclient.grpc import service_pb2_grpc  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

pytestmark = needs_engine
KINDS = {"f": "FP32", "O": "BYTES"}
PATIENCE_S = 60


@pytest.fixture(scope="module")
def address(server):
    return server.url.removeprefix("http://")


@pytest.fixture(scope="module")
def triton(address):
    client = tritonclient.InferenceServerClient(address)
    yield client
    client.close()


@pytest.fixture(scope="module")
def headers(key):
    return {name.lower(): value for name, value in key.items()}


@pytest.fixture(scope="module")
def plain(address):
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(plain):
    return service_pb2_grpc.GRPCInferenceServiceStub(plain)


def input_of(data):
    tensor = tritonclient.InferInput("x", list(data.shape), KINDS[data.dtype.kind])
    tensor.set_data_from_numpy(data)
    return tensor


def infer(triton, headers, model, data, **more):
    return triton.infer(model, [input_of(data)], headers=headers, request_id="7", **more)


def refused(call, *args, **more):
    """The status and the words of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        got = call(*args, timeout=PATIENCE_S, **more)
        list(got) if hasattr(got, "__next__") else got
    return caught.value.code(), caught.value.details()


def test_infer(triton, headers, models):
    rng = np.random.default_rng(1)
    for model, shape in (("numbers", (5, 4)), ("picture", (1, 3, 32, 32))):
        data = rng.standard_normal(shape).astype("f4")
        got = infer(triton, headers, models[model], data)
        np.testing.assert_array_equal(got.as_numpy("y"), data)
        assert got.get_response().model_name == models[model]
        assert got.get_response().id == "7"
    texts = np.array(["a", "grüße", ""], dtype=object)
    got = infer(triton, headers, models["texts"], texts).as_numpy("y")
    assert [t.decode() for t in got] == list(texts)


def test_several_inputs_and_outputs(triton, headers, models):
    name = models["simple"]
    a, b, got = ask_simple(tritonclient, triton, name, headers, sequence_id=1, sequence_start=True, priority=1)
    np.testing.assert_array_equal(got.as_numpy("OUTPUT0"), a + b)
    np.testing.assert_array_equal(got.as_numpy("OUTPUT1"), a - b)
    a, b, got = ask_simple(tritonclient, triton, name, headers, outputs=["OUTPUT1"])
    np.testing.assert_array_equal(got.as_numpy("OUTPUT1"), a - b)
    assert got.as_numpy("OUTPUT0") is None


def test_a_large_tensor(triton, headers, models):
    data = np.random.default_rng(2).standard_normal((1 << 18, 4)).astype("f4")  # 4 MiB
    for compression in (None, "gzip", "deflate"):
        got = infer(triton, headers, models["numbers"], data, compression_algorithm=compression)
        np.testing.assert_array_equal(got.as_numpy("y"), data)


def test_a_file_is_a_payload(triton, headers, models):
    tensor = tritonclient.InferInput("payload", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([png_of("lime")], dtype=object))
    got = triton.infer(models["photo"], [tensor], headers=headers)
    assert json.loads(got.as_numpy("answer")[0])["top"][0]["class_id"] == 1


def test_health_and_metadata(triton, headers, models, plain):
    assert triton.is_server_live(headers=headers) and triton.is_server_ready(headers=headers)
    assert triton.is_model_ready(models["numbers"], headers=headers)
    assert triton.is_model_ready(models["numbers"], "$LATEST", headers=headers)
    server = triton.get_server_metadata(headers=headers)
    assert server.name == "rouse" and "statistics" in server.extensions
    metadata = triton.get_model_metadata(models["numbers"], headers=headers, as_json=True)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "4"]}]
    config = triton.get_model_config(models["texts"], headers=headers).config
    assert (config.name, config.max_batch_size, config.backend) == (models["texts"], 0, "onnxruntime")
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [("x", 13, [-1])]
    check = plain.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"", timeout=PATIENCE_S) == b"\x08\x01"
    assert refused(check, b"\x0a\x01x")[0] == grpc.StatusCode.NOT_FOUND


def test_both_carriers_say_the_same(server, triton, headers, key, models):
    http = pytest.importorskip("tritonclient.http").InferenceServerClient(
        server.url.removeprefix("http://"))
    name = models["picture"]
    one = triton.get_model_metadata(name, headers=headers, as_json=True)
    other = http.get_model_metadata(name, headers=dict(key))
    for tensor in one["inputs"] + one["outputs"]:
        tensor["shape"] = [int(d) for d in tensor["shape"]]
    assert one == other
    theirs = triton.get_model_repository_index(headers=headers, as_json=True)["models"]
    listed = {m["name"]: m for m in http.get_model_repository_index(headers=dict(key))}
    assert {m["name"]: m["state"] for m in theirs} == {n: m["state"] for n, m in listed.items()}
    http.close()


def test_statistics_and_the_repository(triton, headers, models):
    name = models["numbers"]

    def count():
        got = triton.get_inference_statistics(name, headers=headers).model_stats[0]
        assert got.inference_stats.success.count == got.inference_count
        assert sum(b.compute_infer.count for b in got.batch_stats) == got.execution_count
        return got.inference_count
    before = count()
    infer(triton, headers, name, np.zeros((1, 4), "f4"))
    assert count() == before + 1
    triton.unload_model(name, headers=headers)
    assert not triton.is_model_ready(name, headers=headers)
    index = triton.get_model_repository_index(headers=headers).models
    assert {(m.state, m.reason) for m in index if m.name == name} == {("UNAVAILABLE", "unloaded")}
    triton.load_model(name, headers=headers)
    assert triton.is_model_ready(name, headers=headers)
    with pytest.raises(InferenceServerException, match="failed to load 'nothing'"):
        triton.load_model("nothing", headers=headers)


def metadata_of(headers):
    return list(headers.items())


def test_a_stream_answers_in_order(address, headers, models):
    with tritonclient.InferenceServerClient(address) as client:
        answers = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)), headers=headers)
        for i in range(200):
            bad = i % 50 == 7
            data = np.full((1, 5 if bad else 4), i, "f4")
            client.async_stream_infer(models["numbers"], [input_of(data)], request_id=str(i))
        for i in range(200):
            result, error = answers.get(timeout=PATIENCE_S)
            if i % 50 == 7:
                assert result is None and "dimensions" in str(error) or error, i
            else:
                assert result.get_response().id == str(i)
                assert result.as_numpy("y")[0, 0] == i
        client.stop_stream()


def test_a_stream_that_ends_without_a_word(stub, headers):
    assert list(stub.ModelStreamInfer(iter([]), metadata=metadata_of(headers),
                                      timeout=PATIENCE_S)) == []


def test_a_stream_can_be_left(stub, headers, models):
    requests = queue.Queue()
    call = stub.ModelStreamInfer(iter(requests.get, None), metadata=metadata_of(headers))
    requests.put(typed(models["numbers"], "FP32", [1, 4], fp32_contents=[1, 2, 3, 4]))
    assert next(call).infer_response.outputs[0].name == "y"
    call.cancel()
    requests.put(None)
    assert stub.ServerLive(pb.ServerLiveRequest(), metadata=metadata_of(headers)).live


def typed(model, datatype, shape, name="x", **contents):
    request = pb.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    tensor.contents.CopyFrom(pb.InferTensorContents(**contents))
    return request


def test_contents_that_are_typed(stub, headers, models):
    request = typed(models["numbers"], "FP32", [1, 4], fp32_contents=[1.5, -2, 3, 0])
    got = stub.ModelInfer(request, metadata=metadata_of(headers), timeout=PATIENCE_S)
    assert np.frombuffer(got.raw_output_contents[0], "f4").tolist() == [1.5, -2, 3, 0]
    assert (got.outputs[0].name, got.outputs[0].datatype, got.outputs[0].shape) == ("y", "FP32", [1, 4])
    request = typed(models["texts"], "BYTES", [2], bytes_contents=[b"hi", b""])
    got = stub.ModelInfer(request, metadata=metadata_of(headers), timeout=PATIENCE_S)
    assert got.raw_output_contents[0] == b"\2\0\0\0hi\0\0\0\0"


def test_bad_requests(stub, headers, models):
    numbers, code = models["numbers"], grpc.StatusCode

    def ask(request):
        return refused(stub.ModelInfer, request, metadata=metadata_of(headers))
    four = {"fp32_contents": [1, 2, 3, 4]}
    assert ask(typed("nothing", "FP32", [1, 4], **four))[0] == code.NOT_FOUND
    assert ask(typed("x" * 100, "FP32", [1, 4], **four))[0] == code.NOT_FOUND
    for request, words in (
            (typed(numbers, "FP32", [1, 5], **four), "shape wants 5"),
            (typed(numbers, "FP32", [1, -4], **four), "shape"),
            (typed(numbers, "FP32", [1, 4], name="z", **four), 'no input "z"'),
            (typed(numbers, "INT64", [1, 4], **four), "not those of INT64"),
            (typed(numbers, "INT64", [1, 1], int64_contents=[4]), "FP32"),
            (typed(numbers, "INT8", [1, 1], int_contents=[128]), "does not fit"),
            (typed(numbers, "FP16", [1, 4], **four), "raw_input_contents"),
            (typed(numbers, "ÿ\n", [1, 4], **four), "raw_input_contents"),
            (pb.ModelInferRequest(model_name=numbers), '"x" is missing'),
            (pb.ModelInferRequest(model_name=numbers, raw_input_contents=[b""]), "for 0 inputs")):
        status, text = ask(request)
        assert status == code.INVALID_ARGUMENT and words in text, (status, text)
    shared = typed(numbers, "FP32", [1, 4], **four)
    shared.inputs[0].parameters["shared_memory_region"].string_param = "r"
    assert ask(shared)[0] == code.INVALID_ARGUMENT
    unknown = typed(numbers, "FP32", [1, 4], **four)
    unknown.outputs.add(name="z")
    assert '"z"' in ask(unknown)[1]


def test_who_may(stub, headers, models):
    code = grpc.StatusCode
    for metadata in ([], [("authorization", "Bearer rouse-0")], [("authorization", "Basic eA==")]):
        assert refused(stub.ServerLive, pb.ServerLiveRequest(), metadata=metadata)[0] == \
            code.UNAUTHENTICATED
    assert refused(stub.ModelStreamInfer, iter([]), metadata=[])[0] == code.UNAUTHENTICATED


def test_without_signatures(make_server):
    one = make_server("--insecure")
    with grpc.insecure_channel(one.url.removeprefix("http://")) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest(), timeout=PATIENCE_S).live
        assert list(stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=PATIENCE_S).models) == []


def test_what_is_not_there(triton, headers, plain):
    for call in (triton.get_trace_settings, triton.get_log_settings,
                 triton.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException, match="not supported"):
            call(headers=headers)
    for path in ("/inference.GRPCInferenceService/Nothing", "/some.Service/Method", "/"):
        assert refused(plain.unary_unary(path), b"")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_messages_that_are_none(plain, headers, models):
    code, metadata = grpc.StatusCode, metadata_of(headers)
    path = "/inference.GRPCInferenceService/ModelInfer"
    assert refused(plain.unary_unary(path), b"\xff\xff\xff", metadata=metadata)[0] == code.INTERNAL
    many = plain.stream_unary(path)
    assert refused(many, iter([b"", b""]), metadata=metadata)[0] == code.UNIMPLEMENTED
    assert refused(many, iter([]), metadata=metadata)[0] == code.UNIMPLEMENTED
    huge = b"\0" * (64 << 20)
    assert refused(plain.unary_unary(path), huge, metadata=metadata)[0] == code.RESOURCE_EXHAUSTED
    bomb = plain.unary_unary(path)
    assert refused(bomb, huge + huge, metadata=metadata, compression=grpc.Compression.Gzip)[0] == \
        code.RESOURCE_EXHAUSTED
    empty_inputs = b"\x2a\x00" * (8 << 20)  # 16 MiB of inputs with nothing in them
    status = refused(plain.unary_unary(path), empty_inputs, metadata=metadata)[0]
    assert status == code.RESOURCE_EXHAUSTED


def test_many_at_once(stub, headers, models):
    def one(i):
        request = typed(models["numbers"], "FP32", [1, 4], fp32_contents=[i, 0, 0, 0])
        got = stub.ModelInfer(request, metadata=metadata_of(headers), timeout=PATIENCE_S)
        return np.frombuffer(got.raw_output_contents[0], "f4")[0] == i
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert all(pool.map(one, range(600)))


def test_deadlines_and_cancelled_calls(stub, triton, headers, models):
    request = typed(models["numbers"], "FP32", [1, 4], fp32_contents=[1, 2, 3, 4])
    triton.unload_model(models["numbers"], headers=headers)
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request, metadata=metadata_of(headers), timeout=0.002)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    calls = [stub.ModelInfer.future(request, metadata=metadata_of(headers)) for _ in range(200)]
    for call in calls[::2]:
        call.cancel()
    for call in calls[1::2]:
        assert len(call.result(timeout=PATIENCE_S).raw_output_contents) == 1


def test_http1_goes_on_beside_it(server, headers, models, stub):
    import urllib.request
    stop = threading.Event()

    def rest():
        while not stop.is_set():
            with urllib.request.urlopen(server.url + "/healthz", timeout=PATIENCE_S) as answer:
                assert answer.status == 200
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        beside = pool.submit(rest)
        test_many_at_once(stub, headers, models)
        stop.set()
        beside.result()


def test_keep_alive(address, headers, models):
    options = tritonclient.KeepAliveOptions(keepalive_time_ms=50, keepalive_timeout_ms=20000,
                                            keepalive_permit_without_calls=True,
                                            http2_max_pings_without_data=0)
    with tritonclient.InferenceServerClient(address, keepalive_options=options) as client:
        for _ in range(3):
            infer(client, headers, models["numbers"], np.zeros((1, 4), "f4"))
            time.sleep(0.12)  # pings come meanwhile


def test_what_is_no_grpc(server):
    if "HTTP2" not in subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("curl speaks no HTTP/2")

    def curl(path, *more):
        return subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_code}",
             "--max-time", str(PATIENCE_S), *more, server.url + path], capture_output=True, text=True)
    live = "/inference.GRPCInferenceService/ServerLive"
    assert curl(live).stdout == "415"
    assert curl(live, "-X", "POST", "-H", "content-type: application/grpc+json").stdout == "415"
    other = curl("/healthz")  # HTTP_1_1_REQUIRED: some versions then use that by themselves
    assert other.returncode != 0 or other.stdout == "200"
